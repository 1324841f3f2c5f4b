export { bundle } from './bundle.js';
export { issueCertificate } from './certificates.js';
export { launchChromium, launchProfile } from './chromium.js';
export { freePort, listen } from './ports.js';
export { Server } from './server.js';
export type { Environment } from './server.js';
export { Site } from './site.js';
export type { Content } from './site.js';
export { until } from './until.js';
