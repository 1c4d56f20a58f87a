import { test } from 'uvu';
import { withHosts } from '../support/hosts.ts';

test('one write arrives', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const client = await hosts.primary.connect();
    await client.write(0, Buffer.alloc(4096, 7));
    await client.flush();
    await client.close();
    await hosts.drainedAndSame();
  });
});

test.run();
