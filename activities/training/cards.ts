/** Deals the graphics cards of this machine to activities, one each. */
import type { ActivityServices } from '../services.ts';

export class Cards {
  private readonly free: number[];

  constructor({ gpu = 0 }: Pick<ActivityServices, 'gpu'>) {
    this.free = Array.from({ length: gpu }, (_, card) => card);
  }

  /** Runs `work` with the arguments that make Caffe use a card; none where there is no card, or all are taken by more slots than cards. */
  async use<Result>(work: (args: string[]) => Promise<Result>): Promise<Result> {
    const card = this.free.shift();
    try {
      return await work(card === undefined ? [] : [`--gpu=${card}`]);
    } finally {
      if (card !== undefined) this.free.push(card);
    }
  }
}
