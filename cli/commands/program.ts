/** The `retinopathy` command. Each of its subcommands loads its modules when it is called. */
import { Command } from 'commander';
import { addCompareCommand } from './compare.ts';
import { addDoctorCommand } from './doctor.ts';
import { addExplainCommand } from './explain.ts';
import { addExportCommand } from './export.ts';
import { addForkCommand } from './fork.ts';
import { addGcCommand } from './gc.ts';
import { addPlanCommand } from './plan.ts';
import { addPredictCommand } from './predict.ts';
import { addReportCommand } from './report.ts';
import { addRunCommand } from './run.ts';
import { addScoreCommand } from './score.ts';
import { addSubmitCommand } from './submit.ts';
import { addUiCommand } from './ui.ts';
import { addWatchCommand } from './watch.ts';
import { addWorkerCommand } from './worker.ts';

/** Subcommands in the order of the help. */
const COMMANDS = [
  addRunCommand,
  addDoctorCommand,
  addUiCommand,
  addWatchCommand,
  addWorkerCommand,
  addReportCommand,
  addCompareCommand,
  addScoreCommand,
  addPredictCommand,
  addExplainCommand,
  addForkCommand,
  addSubmitCommand,
  addPlanCommand,
  addGcCommand,
  addExportCommand,
];

/** Creates the program. Its commands throw `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('retinopathy')
    .description('Diabetic retinopathy from photographs to a stage: a durable workflow on Temporal')
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({ writeErr: text => process.stderr.write(text) });
  for (const add of COMMANDS) add(program);
  return program;
}
