// Time for the model: virtual, where an hour takes no longer than what happens in it, or the computer's own.
'use strict';

class VirtualClock {
  #now = 1_700_000_000_000;
  #timers = [];
  #serial = 0;

  now() { return this.#now; }

  after(ms, run) {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#serial++, run };
    this.#timers.push(timer);
    return timer;
  }

  cancel(timer) {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }

  // Live does something for so long, and nothing else happens meanwhile.
  block(ms) { this.#now += ms; }

  // Lets time pass until `done()`; fails after `limitMs`.
  run(done, limitMs = 120_000, what = 'what was waited for') {
    const end = this.#now + limitMs;
    while (!done()) {
      const next = this.#timers.reduce((best, timer) =>
        (!best || timer.at < best.at || (timer.at === best.at && timer.order < best.order) ? timer : best), null);
      if (!next || next.at > end) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
      this.cancel(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
  }

  pass(ms) {
    const end = this.#now + ms;
    this.after(ms, () => {});
    this.run(() => this.#now >= end, ms + 60_000);
  }
}

class RealClock {
  now() { return Date.now(); }
  after(ms, run) { return setTimeout(run, ms); }
  cancel(timer) { clearTimeout(timer); }
  block(ms) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); }
}

module.exports = { VirtualClock, RealClock };
