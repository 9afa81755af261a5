/** SVG elements of the drawing. */
import type { Random } from '../../lib/random.ts';
import { type Colour, type Palette, rgb, through } from './palette.ts';

/**
 * Returns a radial gradient. @param opacities by their offset from the middle; they are sorted, as an object may reorder its properties
 */
function radial(id: string, colour: Colour, opacities: Record<number, number>): string {
  const stops = Object.entries(opacities)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([offset, opacity]) => `<stop offset="${offset}" stop-color="${rgb(colour)}" stop-opacity="${opacity}"/>`);
  return `<radialGradient id="${id}">${stops.join('')}</radialGradient>`;
}

/** Returns the gradients of soft shapes, by the names that `disc` refers to. */
export function gradients(random: Random, palette: Palette): string {
  const depth = random.between(0.35, 0.8);
  return [
    radial('macula', palette.macula, { 0: depth, 0.22: depth * 0.72, 0.55: depth * 0.28, 1: 0 }),
    radial('fovea', through(palette.macula, [0.8, 0.6, 0.6]), { 0: depth, 0.5: depth * 0.6, 1: 0 }),
    radial('glow', palette.glow, { 0: 0.75, 0.3: 0.5, 0.6: 0.18, 1: 0 }),
    radial('rim', palette.rim, { 0: 1, 0.9: 1, 0.96: 0.75, 1: 0 }),
    radial('cup', palette.cup, { 0: 1, 0.55: 0.9, 1: 0 }),
    radial('wool', palette.cottonWool, { 0: 0.9, 0.45: 0.65, 1: 0 }),
    radial('cloud', palette.preretinal, { 0: 0.7, 0.5: 0.4, 1: 0 }),
    radial('scar', palette.scar, { 0: 0.7, 0.65: 0.62, 1: 0 }),
    radial('drusen', palette.drusen, { 0: 0.8, 0.6: 0.6, 1: 0 }),
    radial('sheen', palette.reflex, { 0: 0.34, 0.5: 0.14, 1: 0 }),
    radial('ghost', [236, 240, 250], { 0: 0.5, 0.7: 0.4, 1: 0 }),
  ].join('');
}

/** Returns an ellipse filled with the gradient of that name. */
export const disc = (fill: string, x: number, y: number, rx: number, ry = rx, angle = 0) =>
  `<ellipse cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" rx="${rx.toFixed(1)}" ry="${ry.toFixed(1)}" fill="url(#${fill})"` +
  (angle ? ` transform="rotate(${angle.toFixed(0)} ${x.toFixed(1)} ${y.toFixed(1)})"/>` : '/>');

export const filled = (paths: readonly string[], colour: Colour, opacity = 1) =>
  paths.length === 0 ? '' : `<path d="${paths.join('')}" fill="${rgb(colour)}" fill-opacity="${opacity}"/>`;

export const stroked = (paths: readonly string[], colour: Colour, width: number, opacity = 1) =>
  paths.length === 0
    ? ''
    : `<path d="${paths.join('')}" fill="none" stroke="${rgb(colour)}" stroke-width="${width}" stroke-opacity="${opacity}" ` +
      'stroke-linecap="round" stroke-linejoin="round"/>';
