/** The NVRAM region of a peer (DESIGN section 8): made at init and at each empty start, opened at every other. */
export { createRegion, setAsidePath } from './create-region.ts';
export { openRegion } from './open-region.ts';
