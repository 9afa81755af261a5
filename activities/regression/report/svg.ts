/** Drawings that say in words what they show. */
import { type Content, type Html, html } from './html.ts';

export interface Drawing {
  /** What it shows, in one sentence: a screen reader says it instead of the drawing. */
  label: string;
  /** The figures behind it, for those who cannot see it. */
  description?: string;
  /** Units of the drawing; it scales with its column. */
  width: number;
  height: number;
}

export function drawing({ label, description, width, height }: Drawing, content: Content): Html {
  return html`<svg role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" class="chart"><title>${label}</title>${description !== undefined && html`<desc>${description}</desc>`}${content}</svg>`;
}
