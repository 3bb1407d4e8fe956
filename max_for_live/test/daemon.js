// A daemon made of a script, for tests in virtual time: it speaks the protocol as docs/reference/osc.md has it, and converts
// nothing. The real one is used in tests/integration/test_device.py.
'use strict';

const osc = require('./osc.js');

const PREFIX = '/stembridge/1/';

class ScriptedDaemon {
  // `results`: what a job ends in, {path, crc32} or {code, text}, or a function of the request; `takesMs`: how long it takes.
  constructor(net, clock, { port = 17900, secret = 'the-secret', version = '0.1.0', result, takesMs = 3000, refuse = null } = {}) {
    Object.assign(this, { net, clock, port, secret, version, result, takesMs, refuse });
    this.sessions = new Map();
    this.jobs = new Map();
    this.heard = [];
    this.requests = [];
    this.start();
  }

  start() {
    this.socket = this.net.bind(this.port, (datagram) => this.receive(osc.decode(datagram)));
    this.life = (this.life || 0) + 1;
    for (const job of this.jobs.values()) if (job.accepted && !job.end) this.work(job);
  }

  // As its user stops it: devices are told.
  stop() {
    for (const [token, session] of this.sessions) this.socket.send(session.rx, osc.encode([`${PREFIX}bye`, token]));
    this.kill();
  }

  // As a power cut would: sessions and half-sent requests are gone, accepted jobs are on disk.
  kill() {
    this.socket.close();
    this.life += 1;
    this.sessions.clear();
    for (const [key, job] of this.jobs) if (!job.accepted) this.jobs.delete(key);
  }

  after(ms, run) {
    const life = this.life;
    this.clock.after(ms, () => { if (life === this.life) run(); });
  }

  say(inst, name, ...values) {
    for (const [token, session] of this.sessions) {
      if (session.inst === inst) this.socket.send(session.rx, osc.encode([PREFIX + name, token, ...values]));
    }
  }

  count(name) { return this.heard.filter((message) => message[0] === name).length; }

  receive([address, ...values]) {
    const name = address.slice(PREFIX.length);
    this.heard.push([name, ...values]);
    if (name === 'hello') return this.hello(JSON.parse(values[0]));
    const session = this.sessions.get(values[0]);
    if (!session) return undefined;
    return this[`on_${name.replace('/', '_')}`](session.inst, ...values.slice(1));
  }

  hello({ token, inst, rx, secret }) {
    const refusal = secret !== this.secret ? { code: 'secret', text: '' } : this.refuse;
    if (refusal) {
      return this.socket.send(rx, osc.encode([`${PREFIX}refuse`, token, refusal.code, encodeURIComponent(refusal.text)]));
    }
    for (const [other, session] of this.sessions) if (session.rx === rx) this.sessions.delete(other);
    this.sessions.set(token, { inst, rx });
    const welcome = JSON.stringify({ proto: 1, daemon: this.version, features: [], busy: 0 });
    this.socket.send(rx, osc.encode([`${PREFIX}welcome`, token, welcome]));
    for (const job of this.jobs.values()) {
      if (job.inst !== inst || !job.accepted) continue;
      job.seq = 0;
      this.say(inst, 'job/accepted', job.name);
      if (job.end && !job.acknowledged) this.tell(job);
    }
    return undefined;
  }

  on_ping(inst, theirs, seq) { this.say(inst, 'pong', theirs, seq); }
  on_pong() {}

  on_job_part(inst, name, idx, total, chunk) {
    const key = `${inst} ${name}`;
    const job = this.jobs.get(key) || { inst, name, parts: Array(total), accepted: false, seq: 0 };
    this.jobs.set(key, job);
    if (job.end) return this.tell(job);
    job.parts[idx] = chunk;
    const missing = () => [...Array(total).keys()].filter((index) => job.parts[index] === undefined);
    if (!job.isAnswering) {
      job.isAnswering = true;
      this.after(50, () => {
        job.isAnswering = false;
        this.say(inst, 'job/ack', name, missing().slice(0, 150).join(','));
      });
    }
    if (job.parts.includes(undefined)) return undefined;
    if (!job.accepted) {
      job.accepted = true;
      job.request = JSON.parse(decodeURIComponent(job.parts.join('')));
      this.requests.push(job.request);
      this.after(60, () => this.work(job));
    }
    return this.after(60, () => this.say(inst, 'job/accepted', name));
  }

  work(job) {
    const steps = 10;
    for (let step = 0; step <= steps; step++) {
      this.after((this.takesMs * step) / steps, () => {
        if (job.end) return;
        this.say(job.inst, 'job/progress', job.name, ++job.seq, (1000 * step) / steps, 'Finding%20notes');
        if (step === steps) this.end(job, typeof this.result === 'function' ? this.result(job.request) : this.result);
      });
    }
  }

  end(job, end) {
    if (!job.end) job.end = end;
    this.tell(job);
  }

  // Again and again until it is acknowledged.
  tell(job) {
    if (job.end.path) this.say(job.inst, 'job/result', job.name, encodeURIComponent(job.end.path), job.end.crc32);
    else this.say(job.inst, 'job/error', job.name, job.end.code, encodeURIComponent(job.end.text));
    this.after(600, () => { if (!job.acknowledged) this.tell(job); });
  }

  on_job_resultack(inst, name) {
    const job = this.jobs.get(`${inst} ${name}`);
    if (job) job.acknowledged = true;
  }

  on_job_inserted(inst, name, clips, notes) {
    this.on_job_resultack(inst, name);
    this.inserted = { clips, notes };
  }

  on_job_cancel(inst, name) {
    const key = `${inst} ${name}`;
    const job = this.jobs.get(key) || { inst, name, parts: [] };
    this.jobs.set(key, job);
    this.end(job, { code: 'cancelled', text: 'Cancelled.' });
  }
}

module.exports = { ScriptedDaemon };
