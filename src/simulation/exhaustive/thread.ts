/** The thread that explores small worlds: nothing else runs in it. */
import { parentPort } from 'node:worker_threads';
import { SmallWorlds, type ExplorationOrder, type GroupReport } from './laboratory.ts';

const worlds = new SmallWorlds();

parentPort?.on('message', (order: ExplorationOrder) => {
  void worlds.explore(order).then((report: GroupReport) => parentPort?.postMessage(report));
});
