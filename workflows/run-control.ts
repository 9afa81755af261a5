/** Run control: pause, resume, stopEarly and extend, each as an update that answers and as a signal that does not. */
import type { ChildWorkflowHandle, Workflow } from '@temporalio/workflow';
import { trainingAt } from '../config/forks.ts';
import type { PipelineInput } from '../config/input.ts';
import { MAX_EPOCHS } from '../config/stages.ts';
import { onRequest } from './handlers.ts';
import { splitLabel } from './ids.ts';
import { noteRequest, type Progress } from './progress.ts';
import * as signals from './signals.ts';

/** Running child workflows by name. */
type Child = Pick<ChildWorkflowHandle<Workflow>, 'signal'>;
export type Children = Map<string, Child>;

const SPLITS = [0, 1, 2, 3];

export class Steering {
  private readonly progress: Progress;
  private readonly children: Children;
  private readonly show: () => void;
  private input: PipelineInput | undefined;
  /** Accepted requests, which are also sent to each child that starts later. */
  private readonly accepted: signals.Steering[] = [];

  /** Registers the handlers. Results are written into `progress`, sent to the children and shown. */
  constructor(progress: Progress, children: Children, show: () => void) {
    this.progress = progress;
    this.children = children;
    this.show = show;
    this.listen();
  }

  /** Records the input and sets the state to running, unless the run has been paused already. */
  begin(input: PipelineInput): void {
    this.input = input;
    this.progress.state = this.paused() ? 'paused' : 'running';
  }

  private listen(): void {
    const note = (asked: string, refused: string) => void this.answer(asked, refused);
    onRequest(signals.pauseRequest, {
      description: 'Stop after the units that are running',
      refusal: () => (this.paused() ? 'it is paused already' : null),
      act: async () => {
        await this.halt();
        return this.answer('pause', 'paused: what runs is ended, nothing new is begun until resume');
      },
      note,
    });
    onRequest(signals.resumeRequest, {
      description: 'Go on after a pause',
      refusal: () => this.cannotResume(),
      act: async () => {
        await this.goOn();
        return this.answer('resume', 'going on');
      },
      note,
    });
    onRequest(signals.stopEarlyRequest, {
      description: 'End the training of all splits, or of split 0–3, with the epoch that is running',
      refusal: () => this.nothingTrains(),
      act: async split => {
        await this.tell({ kind: 'stopEarly', split: split ?? null });
        const which = split !== undefined ? `split ${splitLabel(split)} ends` : 'all splits end';
        return this.answer('stopEarly', `${which} with the epoch that is running`);
      },
      note,
    });
    onRequest(signals.extendRequest, {
      description: 'Train so many epochs more, at the rate of the planned end or at the one given behind',
      refusal: (epochs, rate) => this.cannotExtend(epochs, rate),
      act: async (epochs, rate) => {
        await this.tell({ kind: 'extend', epochs, ...(rate !== undefined && { rate }) });
        const at = rate !== undefined ? `, at a rate of ${rate}` : '';
        return this.answer('extend', `${epochs} epochs more for every split that is still training${at}`);
      },
      note,
    });
  }

  async halt(): Promise<void> {
    this.progress.state = 'paused';
    await this.tell({ kind: 'pause' });
  }

  async goOn(): Promise<void> {
    this.progress.state = this.input ? 'running' : 'starting';
    await this.tell({ kind: 'resume' });
  }

  /** Sends a new child the accepted requests, and the pause if the run is paused: they do not reach a child that is starting. */
  async brief(name: string, child: Child): Promise<void> {
    // A training that runs again ends at the same epoch as before.
    const epoch = this.progress.splits.find(split => split.name === name)?.epochs;
    const said: signals.Steering[] = this.accepted.map(each =>
      each.kind === 'stopEarly' && epoch !== undefined ? { ...each, epoch } : each,
    );
    if (this.paused()) said.push({ kind: 'pause' });
    for (const steering of said) await child.signal(signals.steeringSignal, steering);
  }

  /** Broadcasts a request to all running children and ignores failures, because a child may just have ended. */
  private async tell(steering: signals.Steering): Promise<void> {
    if (steering.kind === 'stopEarly' || steering.kind === 'extend') this.accepted.push(steering);
    await Promise.allSettled([...this.children.values()].map(child => child.signal(signals.steeringSignal, steering)));
  }

  /** Records a request and its result, and returns the answer. */
  answer(asked: string, plan: string): signals.SteeringAnswer {
    noteRequest(this.progress, asked, plan);
    this.show();
    return { state: this.progress.state, plan };
  }

  paused(): boolean {
    return this.progress.state === 'paused';
  }

  private cannotResume(): string | null {
    if (!this.paused()) return 'it is not paused';
    const { limit, currency, waiting } = this.progress.budget ?? { limit: 0, currency: '', waiting: [] };
    return waiting.length > 0 ? `what comes next would cost more than ${limit} ${currency}: raiseBudget goes on` : null;
  }

  private nothingTrains(): string | null {
    return this.progress.stages.train.state === 'running' ? null : 'nothing is training';
  }

  private cannotExtend(epochs: number, rate: number | undefined): string | null {
    const { training } = this.input ?? {};
    const atEnd = training ? SPLITS.map(k => trainingAt(training, [k], Number.POSITIVE_INFINITY)) : [];
    if (rate === undefined && atEnd.some(({ policy }) => policy.type === 'poly'))
      return 'the policy poly ends with a rate of 0: give a rate behind the epochs, e.g. 2 and 0.001';
    // The maximum over all splits.
    const planned = Math.max(0, ...[...atEnd, ...this.progress.splits].map(split => split.epochs));
    if (planned + epochs > MAX_EPOCHS)
      return `a training has up to ${MAX_EPOCHS} epochs, and ${planned} are planned: ${epochs} more are too many`;
    return this.nothingTrains();
  }
}
