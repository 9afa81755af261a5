/** Looks at a folder of parts before anything is started: what is missing there is said at once, not by a failed activity. */
import { createFolderSource } from '../activities/download/folder-source.ts';
import { pickFiles } from '../activities/download/parts.ts';
import type { PipelineInput } from '../config/input.ts';
import { UserError } from './user-error.ts';

/** @throws UserError when the source is a folder that lacks a part or the labels */
export async function checkSource({ source, archive }: PipelineInput): Promise<void> {
  if (!source.startsWith('file:')) return;
  const folder = createFolderSource(source.slice('file:'.length));
  try {
    pickFiles(await folder.list(new AbortController().signal), archive, folder.name);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}
