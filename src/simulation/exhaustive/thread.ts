/** The thread that explores small worlds: nothing else runs in it. */
import { parentPort } from 'node:worker_threads';
import { SmallWorlds, type GroupReport } from './laboratory.ts';
import type { WorldGroup } from './worlds.ts';

/** What the thread is asked. */
export interface ThreadOrder {
  readonly group: WorldGroup | { readonly world: number };
  readonly traced: boolean;
}

const worlds = new SmallWorlds();

parentPort?.on('message', ({ group, traced }: ThreadOrder) => {
  void worlds.explore(group, traced).then((report: GroupReport) => parentPort?.postMessage(report));
});
