/** Regions as files: what a peer has unless it is told otherwise. */
import { createRegion, openRegion } from './nvram/region.ts';
import type { RegionStore } from './open-peer-region.ts';

export const regionFiles: RegionStore = { create: createRegion, open: openRegion };
