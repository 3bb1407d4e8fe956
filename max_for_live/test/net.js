// UDP ports of 127.0.0.1: the real ones, or some that live in this process and lose, double and delay what they carry.
'use strict';

const dgram = require('dgram');

// A random number from 0 to 1 that a seed determines (mulberry32).
function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class VirtualNet {
  constructor(clock, { rate = 0, seed = 1, taken = [] } = {}) {
    Object.assign(this, { clock, rate, random: chance(seed), ports: new Map(), sent: 0 });
    for (const port of taken) this.ports.set(port, { receive: () => {} });
  }

  bind(port, receive) {
    if (this.ports.has(port)) return null;
    const socket = {
      receive,
      send: (to, datagram) => this.carry(to, datagram),
      close: () => this.ports.get(port) === socket && this.ports.delete(port),
    };
    this.ports.set(port, socket);
    return socket;
  }

  lost() {}

  carry(to, datagram) {
    this.sent += 1;
    for (let copy = this.random() < this.rate ? 2 : 1; copy > 0; copy--) {
      if (this.random() < this.rate) continue;
      const lateMs = this.random() < this.rate ? this.random() * 60 : 0;
      this.clock.after(lateMs, () => this.ports.get(to)?.receive(datagram));
    }
  }
}

// Real sockets. Binding takes a moment, as in Max; nobody hears whether it worked. Of what goes either way, `rate` of 1 is lost,
// as much doubled and as much delayed.
class RealNet {
  constructor({ rate = 0, seed = 1 } = {}) {
    Object.assign(this, { rate, random: chance(seed) });
  }

  bind(port, receive) {
    const socket = dgram.createSocket('udp4');
    socket.on('error', () => {});
    socket.on('message', (datagram) => this.#carry(() => receive(datagram)));
    socket.bind(port, '127.0.0.1');
    let isOpen = true;
    return {
      send: (to, datagram) => this.#carry(() => isOpen && socket.send(datagram, to, '127.0.0.1', () => {})),
      close: () => {
        isOpen = false;
        try { socket.close(); } catch { /* it never was open: the port is taken */ }
      },
    };
  }

  lost() {}

  #carry(deliver) {
    for (let copy = this.random() < this.rate ? 2 : 1; copy > 0; copy--) {
      if (this.random() < this.rate) continue;
      if (this.random() < this.rate) setTimeout(deliver, this.random() * 60);
      else deliver();
    }
  }
}

module.exports = { VirtualNet, RealNet, chance };
