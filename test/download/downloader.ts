/** A process that fetches one part and prints what came: `downloader.ts <source> <store URL> <settings as JSON>`. */
import pino from 'pino';
import { openStore } from '../../storage/open.ts';
import { activitiesOn, argsFor } from './world.ts';

const [source, url, settings] = process.argv.slice(2) as [string, string, string];
const unneeded = async () => {
  throw new Error('Expected only a part to be fetched here');
};
const services = {
  store: await openStore(url),
  log: pino({ level: 'silent' }),
  ...{ scratch: '', cache: '', env: {}, caffe: unneeded, syntheticUrl: unneeded, cards: unneeded },
};
console.log(JSON.stringify(await activitiesOn(services, JSON.parse(settings)).part(argsFor(source))));
