// What happens comes as Server-Sent Events: lines for the terminal, and the
// state of everything after them.

const find = (selector, within = document) => within.querySelector(selector);
const colors = { phone: '#8db2ff', laptop: '#f3b069', tablet: '#d0a5ff' };
const maxLines = 300;
const maxSamples = 120;

const cards = new Map();
const history = [];

const stream = new EventSource('stream');
stream.addEventListener('open', () => showStream('connected', true));
stream.addEventListener('error', () => showStream('connection lost, trying again', false));
stream.addEventListener('line', (message) => showLine(JSON.parse(message.data)));
stream.addEventListener('state', (message) => showState(JSON.parse(message.data)));

find('#conflict').addEventListener('click', () => post('conflict', { note: note() }));

function note() {
  return find('#note').value.trim() || 'shopping';
}

async function post(path, fields = {}) {
  try {
    const response = await fetch(path, { method: 'POST', body: new URLSearchParams(fields) });
    if (!response.ok) showStream(`refused: ${await response.text()}`, false);
  } catch {
    showStream('the program does not answer: is it still running?', false);
  }
}

function showStream(text, good) {
  const badge = find('#stream');
  badge.textContent = text;
  badge.className = `badge ${good ? 'good' : 'bad'}`;
}

function showState(state) {
  find('#server-events').textContent = state.server;
  for (const device of state.devices) showDevice(device);
  history.push(Object.fromEntries(state.devices.map((device) => [device.name, device.events])));
  if (history.length > maxSamples) history.shift();
  drawChart(state.devices.map((device) => device.name));
}

function showDevice(device) {
  const card = cards.get(device.name) ?? addCard(device.name);
  const badge = find('[data-connection]', card);
  badge.textContent = !device.online ? 'offline' : device.live ? 'online, live' : 'online';
  badge.className = `badge ${device.online ? 'good' : 'bad'}`;
  for (const count of card.querySelectorAll('[data-count]')) count.textContent = device[count.dataset.count];
  const button = find('[data-network]', card);
  button.textContent = device.online ? `Take ${device.name} offline` : `Bring ${device.name} online`;
  button.dataset.network = device.online ? 'offline' : 'online';
  const notes = Object.entries(device.notes).sort();
  find('[data-notes]', card).replaceChildren(...notes.map(([name, text]) => item([['b', `${name}: `], ['span', text]])));
}

function addCard(name) {
  const card = find('#device').content.firstElementChild.cloneNode(true);
  card.style.setProperty('--color', `var(--${name})`);
  card.dataset.device = name;
  find('[data-name]', card).textContent = name;
  const input = find('input', card);
  input.setAttribute('aria-label', `What the ${name} writes`);
  input.placeholder = `Write on the ${name}`;
  find('form', card).addEventListener('submit', (submit) => {
    submit.preventDefault();
    post(`devices/${name}/write`, { note: note(), text: input.value });
    input.value = '';
  });
  find('[data-network]', card).addEventListener('click', (click) => post(`devices/${name}/${click.currentTarget.dataset.network}`));
  cards.set(name, card);
  find('#devices').append(card);
  return card;
}

function showLine(line) {
  const terminal = find('#terminal');
  const follow = terminal.scrollHeight - terminal.scrollTop - terminal.clientHeight < 40;
  const entry = item([['span', line.device, 'device-name'], ['span', summary(line), line.kind], ['span', details(line), 'meta']]);
  entry.style.setProperty('--terminal-color', colors[line.device]);
  terminal.append(entry);
  while (terminal.children.length > maxLines) terminal.firstElementChild.remove();
  if (follow) terminal.scrollTop = terminal.scrollHeight;
  if (line.kind === 'conflict') showConflict(line);
}

function summary(line) {
  if (line.kind === 'network' || line.kind === 'conflict') return ` ${line.text}`;
  const how = line.origin ? 'pulled' : 'wrote';
  return ` ${how} ${line.type} ${line.aggregate}: ${line.text}`;
}

function details(line) {
  if (!line.event) return '';
  return `  ${line.event.slice(-8)} version ${line.version} ${JSON.stringify(line.metadata ?? {})}`;
}

function showConflict(line) {
  const list = find('#conflicts');
  find('.empty', list)?.remove();
  list.prepend(item([['b', `${line.aggregate} `], ['span', `${line.text} (decided on the ${line.device})`]]));
}

function item(parts) {
  const li = document.createElement('li');
  for (const [tag, text, className] of parts) {
    const part = document.createElement(tag);
    part.textContent = text;
    if (className) part.className = className;
    li.append(part);
  }
  return li;
}

function drawChart(names) {
  const samples = history.length > 1 ? history : [...history, ...history];
  const top = Math.max(4, ...history.flatMap((sample) => Object.values(sample)));
  const x = (i) => (600 * i) / (samples.length - 1);
  const y = (n) => 155 - (150 * n) / top;
  const shapes = [0, 0.5, 1].map((part) => shape('line', { x1: 0, x2: 600, y1: y(top * part), y2: y(top * part) }));
  for (const name of names) {
    const points = samples.map((sample, i) => `${x(i).toFixed(1)},${y(sample[name] ?? 0).toFixed(1)}`);
    shapes.push(shape('path', { d: `M${points.join('L')}`, style: `stroke: var(--${name})` }));
  }
  find('#chart').replaceChildren(...shapes);
  const last = history.at(-1);
  find('#legend').replaceChildren(...names.map((name) => {
    const entry = document.createElement('span');
    entry.style.setProperty('--color', `var(--${name})`);
    entry.textContent = `${name} ${last[name]}`;
    return entry;
  }));
  find('#chart-text').textContent = `Events in each log: ${names.map((name) => `${name} ${last[name]}`).join(', ')}`;
}

function shape(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
