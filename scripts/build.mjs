/** `npm run build`: install what is missing, then compile everything anew. */
import { build, install } from './set-up.mjs';

install();
build();
