/** What other processes and threads do to the same files; started by the tests beside it. */
import { allocateAligned } from '../../src/disk/alignment.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

const [task = '', path = ''] = process.argv.slice(2);
const disk = new NodeDisk();

if (task === 'lock') {
  process.send?.(disk.lock(path) === null ? 'refused' : 'locked');
  // The lock is held until this process is killed, or its parent is.
  process.once('disconnect', () => process.exit(0));
} else if (task === 'durable-write') {
  const file = disk.open(path, { create: true, durableWrites: true });
  const aligned = file.aligned;
  file.write([allocateAligned(4096).fill(6)], 4096, (error) => {
    if (error !== null) throw error;
    const found = new Uint8Array(1);
    file.readSync(found, 8191);
    process.stdout.write(JSON.stringify({ aligned, alignedAfter: file.aligned, found: found[0] }));
    file.closeSync();
  });
}
