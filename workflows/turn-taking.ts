/** The turns as the run and its trainings see them: the run has them dealt, a training asks for one and waits until it is given. */
import { condition, getExternalWorkflowHandle, log, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import type { Turn } from '../activities/training/types.ts';
import { askSignal, dealTurns, endSignal, leaveSignal, turnSignal } from './deal-turns.ts';

/**
 * @param trainings how many there are to deal to
 * @param onGone when nobody deals any more, because somebody stopped it too: the trainings then go on as the queue lets them
 */
export async function startDealer(
  run: string,
  trainings: number,
  onGone: () => Promise<void>,
): Promise<{ id: string; end(): Promise<void> }> {
  const id = `${run}/turns`;
  const handle = await startChild(dealTurns, {
    ...{ workflowId: id, staticSummary: 'turns on the graphics cards' },
    args: [{ waiting: [], queued: null, expected: trainings }],
  });
  const gone = handle.result().then(onGone, onGone);
  return {
    id,
    async end() {
      await handle.signal(endSignal).catch(() => {});
      await gone;
    },
  };
}

export class TurnTaking {
  private dealer: string | null;
  private readonly name: string;
  private asked = 0;
  private given = 0;

  /** @param dealer id of the workflow that deals the turns; null where nobody does */
  constructor(dealer: string | null, name: string) {
    this.dealer = dealer;
    this.name = name;
    setHandler(turnSignal, number => {
      this.given = Math.max(this.given, number);
    });
  }

  /**
   * Resolves when the next task may be put into the queue of the graphics cards.
   * @param level how far the training is, in segments
   * @returns for the activity, which tells when it begins
   */
  async take(level: number): Promise<Turn | undefined> {
    const number = ++this.asked;
    await this.tell(async dealer => {
      const workflow = workflowInfo().workflowId;
      await getExternalWorkflowHandle(dealer).signal(askSignal, { workflow, name: this.name, number, level });
      await condition(() => this.given >= number || this.dealer === null);
    });
    return this.dealer === null ? undefined : { dealer: this.dealer, name: this.name, number };
  }

  /** After the last turn. */
  async leave(): Promise<void> {
    await this.tell(dealer => getExternalWorkflowHandle(dealer).signal(leaveSignal, this.name));
  }

  /** Goes on without turns. */
  giveUp(): void {
    this.dealer = null;
  }

  /** Turns are fair, and no more: without a dealer the training goes on all the same. */
  private async tell(say: (dealer: string) => Promise<void>): Promise<void> {
    if (this.dealer === null) return;
    try {
      await say(this.dealer);
    } catch (error) {
      log.warn('Nobody deals turns: the training goes on without', { error: String(error) });
      this.giveUp();
    }
  }
}
