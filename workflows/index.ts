/** All workflows that a worker registers. */
export { downloadArchive } from './download-archive.ts';
export { labelSplits } from './label-splits.ts';
export { prepareImages } from './prepare-images.ts';
export { regressStage } from './regress-stage.ts';
export { retinopathyPipeline } from './retinopathy-pipeline.ts';
export { scoreArchive } from './score-archive.ts';
export { trainNetwork } from './train-network.ts';
