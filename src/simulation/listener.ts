/** What the production code has for a server of links: it listens on addresses of the simulated network. */
import type { WebSocket } from 'ws';
import { Link } from '../link/link.ts';
import type { LinkListener, LinkServerOptions } from '../link/link-server.ts';
import type { Network } from './network.ts';
import type { SimulatedSocket } from './socket.ts';
import type { Life } from './virtual-time.ts';

export function openListener(
  { handlers }: LinkServerOptions,
  { network, addresses, life }: { network: Network; addresses: readonly string[]; life: Life },
): LinkListener {
  const links = new Set<Link>();
  let nextId = 1;
  const accept = (socket: SimulatedSocket): void => {
    const closed: LinkServerOptions['handlers']['closed'] = (link, code, reason) => {
      links.delete(link);
      handlers.closed(link, code, reason);
    };
    const link = new Link({
      id: nextId,
      address: socket.address,
      socket: socket as unknown as WebSocket,
      handlers: { ...handlers, closed },
    });
    nextId += 1;
    links.add(link);
    handlers.opened(link);
  };
  return {
    start: async () => {
      for (const address of addresses) network.listen(address, { life, accept });
    },
    stop: () => {
      for (const address of addresses) network.unlisten(address, life);
      for (const link of links) link.terminate();
    },
    addresses: () => [],
  };
}
