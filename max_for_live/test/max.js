// The parts of Max around the bundled script: [js] in a context of its own, udpsend, udpreceive, Task, File, the display.
'use strict';

const fs = require('fs');
const vm = require('vm');
const { liveApiFor } = require('./liveapi.js');
const osc = require('./osc.js');

// Fewer bytes than the script asks for at once, as Max may do.
const READ_CAP = 4000;

function maxFile(isDeleted) {
  return class File {
    #handle = null;
    #position = 0;
    constructor(path) {
      if (isDeleted(path)) fs.rmSync(path, { force: true });
      try {
        this.#handle = fs.openSync(path, 'r');
        if (!fs.fstatSync(this.#handle).isFile()) this.close();
      } catch { this.#handle = null; }
    }
    get isopen() { return this.#handle === null ? 0 : 1; }
    get eof() { return fs.fstatSync(this.#handle).size; }
    readbytes(count) {
      const buffer = Buffer.alloc(Math.min(count, READ_CAP));
      const got = fs.readSync(this.#handle, buffer, 0, buffer.length, this.#position);
      this.#position += got;
      // Max gives signed characters.
      return Array.from(buffer.subarray(0, got), (byte) => (byte > 127 ? byte - 256 : byte));
    }
    close() {
      if (this.#handle !== null) fs.closeSync(this.#handle);
      this.#handle = null;
    }
  };
}

function maxTask(clock, isOver, log) {
  return class Task {
    #timer = null;
    constructor(run, self, ...values) { this.run = () => run.apply(self, values); }
    schedule(ms) {
      this.cancel();
      this.#timer = clock.after(ms, () => {
        this.#timer = null;
        if (isOver()) return;
        try {
          this.run();
        } catch (error) { log(`js: ${error.stack}`); }
      });
    }
    cancel() {
      if (this.#timer !== null) clock.cancel(this.#timer);
      this.#timer = null;
    }
  };
}

// A device on a track of a Set. `parameters`: values that Live has saved of an earlier one; `deletes`: files whose path has
// this pattern are gone by the time that the device opens them. `net` has bind(port, receive) -> {send(port, datagram), close()} or null where it is taken.
class Device {
  constructor({ bundle, set, track, clock, net, folder, racks = 0, dropsEmptyWords = false, parameters = {}, deletes = null }) {
    Object.assign(this, { set, clock, net, dropsEmptyWords, parameters: { ...parameters }, deletes });
    this.make = (more) => new Device({ bundle, set, track, clock, net, folder, racks, dropsEmptyWords, ...more });
    this.log = [];
    this.shown = {};
    this.states = [];
    this.target = 17900;
    this.socket = null;
    this.over = false;
    this.writes = 0;
    this.skewMs = 0;
    this.refusesToShow = false;
    this.isReady = false;
    set.print = (line) => { this.log.push(line); };
    const outlet = (number, list) => { this.#out(number, Array.from(list)); };
    outlet.apply = () => { throw new Error('Live crashed: outlet.apply'); };
    const date = (skew) => class extends Date { constructor() { super(clock.now() + skew()); } };
    this.context = vm.createContext({
      outlet, post: (text) => this.log.push(String(text).trim()), arrayfromargs: (list) => Array.from(list), Date: date(() => this.skewMs),
      Task: maxTask(clock, () => this.over, (line) => this.log.push(line)), File: maxFile((file) => this.deletes && new RegExp(this.deletes).test(file)),
      LiveAPI: liveApiFor(set, set.addDevice(track, racks), () => this.isReady), max: { version: '90a', os: 'macintosh' },
      patcher: { filepath: `${folder}/Stembridge.amxd` },
    });
    vm.runInContext(fs.readFileSync(bundle, 'utf8'), this.context, { filename: bundle });
    this.controls = vm.runInContext('StembridgeControls.TABLE', this.context);
    this.port = this.#listen(17901);
  }

  // What Live does when the device is there.
  load() {
    for (const [name, row] of Object.entries(this.controls)) if ('initial' in row) this.ui(name, this.parameters[name] ?? row.initial);
    this.isReady = true;
    this.context.bang();
    return this;
  }

  remove() {
    this.context.notifydeleted();
    this.over = true;
    if (this.socket) this.socket.close();
  }

  // As when the Set is closed and opened: another device, with the values that Live saved.
  reload() {
    this.remove();
    return this.make({ parameters: this.parameters }).load();
  }

  ui(name, value) {
    if ('initial' in this.controls[name]) this.parameters[name] = value;
    this.context.ui(name, value);
  }
  // Sets a control to a value that the script makes of it.
  choose(name, value) {
    const values = this.controls[name].values && Array.from(this.controls[name].values, (other) => JSON.stringify(other));
    this.ui(name, values ? values.indexOf(JSON.stringify(value)) : Number(value));
  }
  convert() { this.ui('convert', 1); }
  cancel() { this.ui('cancel', 1); }
  get status() { return `${this.shown.status1 ?? ''} ${this.shown.status2 ?? ''}`.trim(); }
  get isIdle() { return this.shown.convert === 1; }

  #out(number, list) {
    if (number === 0) this.#show(list);
    else if (number === 1) this.#send(list);
    else if (list[0] === 'port') this.#listen(list[1]);
    else throw new Error(`nothing takes ${list}`);
  }

  #show([name, word, ...values]) {
    const row = this.controls[name];
    this.writes += 1;
    if (this.refusesToShow) throw new Error('the display is gone');
    if (!row) throw new Error(`no control ${name}`);
    if (row.kind === 'light') this.shown.light = word;
    else if (word === 'active') this.shown[name] = values[0];
    else if (word === 'set' && !values.length) throw new Error(`${name}: nobody knows what set alone does`);
    else if (word === 'set') this.shown[name] = row.kind === 'text' ? values.join(' ').trim() : values[0];
    else throw new Error(`${name} takes no ${word}`);
    if (word === 'set' && 'initial' in row) [this.parameters[name]] = values;  // Live saves it
    if (row.columns && this.shown[name].length > row.columns) throw new Error(`${name} is too long: ${this.shown[name]}`);
    if (name === 'status2' && this.states.at(-1) !== this.status) this.states.push(this.status);
  }

  // udpsend
  #send(list) {
    if (list[0] === 'port') this.target = list[1];
    else if (this.socket) this.socket.send(this.target, osc.encode(list));
    else this.net.lost(this.target, osc.encode(list));
  }

  // udpreceive: where a port is taken, it says so in the Max window only, and listens nowhere.
  #listen(port) {
    if (this.socket) this.socket.close();
    this.socket = this.net.bind(port, (datagram) => this.clock.after(0, () => this.#receive(datagram)));
    this.listening = port;
    if (!this.socket) this.log.push(`udpreceive: bind ${port} unsuccessful`);
    return port;
  }

  #receive(datagram) {
    if (this.over) return;
    const list = osc.decode(datagram);
    this.context.udp(...(this.dropsEmptyWords ? list.filter((word) => word !== '') : list));
  }
}

module.exports = { Device };
