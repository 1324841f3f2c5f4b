// Keeps the app's files on the device, so that it opens without a network. Notes are not its concern: the store has
// them. The build puts FILES and VERSION before this. A new version is fetched whole, beside the one in use, and takes
// its place once all tabs of that are closed, so no page ever runs with files of two versions.

const CACHE = `notes ${VERSION}`;

addEventListener('install', (event) => {
  const files = FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)));
});

addEventListener('activate', (event) => {
  const remove = (names) => Promise.all(names.filter((name) => name.startsWith('notes ') && name !== CACHE).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(remove));
});

addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin || !FILES.includes(pathname)) return;
  event.respondWith(caches.open(CACHE).then(async (cache) => (await cache.match(pathname)) ?? fetch(request)));
});
