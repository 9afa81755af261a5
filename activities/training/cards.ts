/** Deals the graphics cards of this worker to activities, one each. */
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';

export class Cards {
  private readonly find: ActivityServices['cards'];
  /** Numbers of the cards that nobody uses; undefined before the first use. */
  private free: number[] | undefined;

  constructor({ cards }: Pick<ActivityServices, 'cards'>) {
    this.find = cards;
  }

  /** Runs `work` with the arguments that make Caffe use a card of its own; none where this worker has no cards. */
  async use<Result>(work: (args: string[]) => Promise<Result>): Promise<Result> {
    const cards = await this.find();
    if (cards.length === 0) return work([]);
    this.free ??= cards.map(({ number }) => number);
    const card = this.free.shift();
    if (card === undefined)
      throw finalFailure('Defect', `Expected a slot a graphics card, got more at work than the ${cards.length} cards`);
    try {
      return await work([`--gpu=${card}`]);
    } finally {
      this.free.push(card);
    }
  }
}
