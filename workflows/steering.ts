/** How a run is steered: pause, resume, stopEarly and extend, each as an update that answers and as a signal that does not. */
import { ApplicationFailure, type ChildWorkflowHandle, setHandler, type Workflow } from '@temporalio/workflow';
import { trainingAt } from '../config/forks.ts';
import type { PipelineInput } from '../config/input.ts';
import { splitLabel } from './names.ts';
import type { Progress } from './progress.ts';
import * as signals from './signals.ts';

/** The stages that are running, by their name. */
export type Children = Map<string, Pick<ChildWorkflowHandle<Workflow>, 'signal'>>;

export class Steering {
  private readonly progress: Progress;
  private readonly children: Children;
  private readonly show: () => void;
  private input: PipelineInput | undefined;

  /** Listens from now on; what it comes to is written into `progress`, told to the children and shown. */
  constructor(progress: Progress, children: Children, show: () => void) {
    this.progress = progress;
    this.children = children;
    this.show = show;
    this.listen();
  }

  /** The input is known: the run goes on, unless somebody has paused it before. */
  begin(input: PipelineInput): void {
    this.input = input;
    this.progress.state = this.paused() ? 'paused' : 'running';
  }

  private listen(): void {
    setHandler(signals.pauseUpdate, () => this.pause(), {
      validator: () => this.refuse(this.paused() ? 'it is paused already' : null),
      description: 'Stop after the units that are running',
    });
    setHandler(signals.resumeUpdate, () => this.resume(), {
      validator: () => this.refuse(this.paused() ? null : 'it is not paused'),
      description: 'Go on after a pause',
    });
    setHandler(signals.stopEarlyUpdate, split => this.stopEarly(split), {
      validator: split => this.refuse(this.cannotStop(split)),
      description: 'End the training of all splits, or of split 0–3, with the epoch that is running',
    });
    setHandler(signals.extendUpdate, (epochs, rate) => this.extend(epochs, rate), {
      validator: (epochs, rate) => this.refuse(this.cannotExtend(epochs, rate)),
      description: 'Train so many epochs more, at the rate of the planned end or at the one given behind',
    });
    setHandler(signals.pauseSignal, () =>
      this.signalled('pause', this.paused() ? 'it is paused already' : null, () => this.pause()),
    );
    setHandler(signals.resumeSignal, () =>
      this.signalled('resume', this.paused() ? null : 'it is not paused', () => this.resume()),
    );
    setHandler(signals.stopEarlySignal, split =>
      this.signalled('stopEarly', this.cannotStop(split), () => this.stopEarly(split)),
    );
    setHandler(signals.extendSignal, (epochs, rate) =>
      this.signalled('extend', this.cannotExtend(epochs, rate), () => this.extend(epochs, rate)),
    );
  }

  /** Nobody waits for an answer to a signal: why it was refused stands in the details. */
  private async signalled(asked: string, refusal: string | null, act: () => Promise<unknown>): Promise<void> {
    if (refusal === null) await act();
    else this.answer(asked, `refused: ${refusal}`);
  }

  private async pause(): Promise<signals.SteeringAnswer> {
    this.progress.state = 'paused';
    await this.tell({ kind: 'pause' });
    return this.answer('pause', 'paused: what runs is ended, nothing new is begun until resume');
  }

  private async resume(): Promise<signals.SteeringAnswer> {
    this.progress.state = this.input ? 'running' : 'starting';
    await this.tell({ kind: 'resume' });
    return this.answer('resume', 'going on');
  }

  private async stopEarly(split?: number): Promise<signals.SteeringAnswer> {
    await this.tell({ kind: 'stopEarly', split: split ?? null });
    const which = isGiven(split) ? `split ${splitLabel(split)} ends` : 'all splits end';
    return this.answer('stopEarly', `${which} with the epoch that is running`);
  }

  private async extend(epochs: number, rate?: number): Promise<signals.SteeringAnswer> {
    await this.tell({ kind: 'extend', epochs, ...(isGiven(rate) && { rate }) });
    this.progress.stages.train.of += 4 * epochs;
    const at = isGiven(rate) ? `, at a rate of ${rate}` : '';
    return this.answer('extend', `${epochs} epochs more for every split that is still training${at}`);
  }

  /** Passes it on to every stage that is running; one that has just ended needs it no more. */
  async tell(steering: signals.Steering): Promise<void> {
    await Promise.allSettled([...this.children.values()].map(child => child.signal(signals.steeringSignal, steering)));
  }

  private answer(asked: string, plan: string): signals.SteeringAnswer {
    this.progress.steering.push({ asked, plan, at: Date.now() });
    this.show();
    return { state: this.progress.state, plan };
  }

  paused(): boolean {
    return this.progress.state === 'paused';
  }

  private cannotStop(split: number | undefined): string | null {
    if (isGiven(split) && ![0, 1, 2, 3].includes(split)) return `a split is 0, 1, 2 or 3, not ${split}`;
    return this.progress.stages.train.state === 'running' ? null : 'nothing is training';
  }

  private cannotExtend(epochs: number, rate?: number): string | null {
    if (!Number.isInteger(epochs) || epochs < 1) return `epochs must be an integer from 1, not ${epochs}`;
    if (isGiven(rate) && !(typeof rate === 'number' && rate > 0 && rate <= 10))
      return `a rate must be a number above 0 up to 10, not ${rate}`;
    if (!isGiven(rate) && this.endsAtNothing())
      return 'the policy poly ends with a rate of 0: give a rate behind the epochs, e.g. 2 and 0.001';
    return this.progress.stages.train.state === 'running' ? null : 'nothing is training';
  }

  /** Whether the rate of a split is 0 at the planned end. */
  private endsAtNothing(): boolean {
    const { training } = this.input ?? {};
    return [0, 1, 2, 3].some(
      k => training && trainingAt(training, [k], Number.POSITIVE_INFINITY).policy.type === 'poly',
    );
  }

  private refuse(reason: string | null): void {
    if (reason !== null) throw ApplicationFailure.nonRetryable(`Refused: ${reason}`, 'Refused');
  }
}

/** What a caller leaves out comes as null from tools that send every argument. */
function isGiven(value: number | null | undefined): value is number {
  return value !== undefined && value !== null;
}
