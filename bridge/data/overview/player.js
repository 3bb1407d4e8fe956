// Plays stems and previews side by side. A page that was opened from disk may not read files, so there is no Web
// Audio: each file has an <audio> element, all run together, and what isn't to be heard is muted.

/** Seconds that two elements may be apart: less than listeners hear as an echo. */
const APART_S = 0.02;
/** Further apart than this they are put right at once, not by running a little faster. */
const FAR_APART_S = 0.2;

class Player {
  /** @param parts Each with the addresses `stem` and `preview`, or null. */
  constructor(parts, duration, onchange) {
    this.duration = duration;
    this.onchange = onchange;
    this.playing = false;
    this.stopped = 0; // where it stands while it doesn't play
    this.voices = parts.map((part) => ({
      audio: { stem: this.element(part.stem), preview: this.element(part.preview) },
      source: part.stem ? "stem" : "preview",
      muted: false,
      solo: false,
    }));
    this.mute();
  }

  element(address) {
    if (!address) return null;
    const audio = new Audio();
    audio.preload = "auto";
    audio.src = address;
    audio.addEventListener("error", () => {
      audio.failed = true;
      this.leaveFailed();
    });
    return audio;
  }

  /** Let parts whose file can't be played be heard from their other one, where there is one. */
  leaveFailed() {
    this.voices.forEach((voice, index) => {
      const other = voice.source === "stem" ? "preview" : "stem";
      if (!this.has(index, voice.source) && this.has(index, other)) voice.source = other;
    });
    this.apply();
  }

  elements() {
    return this.voices.flatMap((voice) => Object.values(voice.audio)).filter((audio) => audio && !audio.failed);
  }

  /** The element whose time is the song's: one that is heard, and can be. */
  leader() {
    const running = this.elements().filter((audio) => !audio.ended && audio.readyState > 1);
    return running.find((audio) => !audio.muted) || running[0] || null;
  }

  get time() {
    const leader = this.playing ? this.leader() : null;
    return leader ? Math.min(leader.currentTime, this.duration) : this.stopped;
  }

  isHeard(voice) {
    return this.voices.some((other) => other.solo) ? voice.solo : !voice.muted;
  }

  has(index, source) {
    const audio = this.voices[index].audio[source];
    return Boolean(audio && !audio.failed);
  }

  /** Mute what is not to be heard. */
  mute() {
    for (const voice of this.voices) {
      for (const [source, audio] of Object.entries(voice.audio)) {
        if (audio) audio.muted = !(this.isHeard(voice) && voice.source === source);
      }
    }
  }

  apply() {
    this.mute();
    this.onchange();
  }

  choose(index, source) {
    if (!this.has(index, source)) return;
    this.voices[index].source = source;
    this.apply();
  }

  chooseAll(source) {
    this.voices.forEach((voice, index) => {
      if (this.has(index, source)) voice.source = source;
    });
    this.apply();
  }

  toggle(index, what) {
    this.voices[index][what] = !this.voices[index][what];
    this.apply();
  }

  async play() {
    if (this.stopped >= this.duration - 0.05) this.seek(0);
    for (const audio of this.elements()) {
      audio.playbackRate = 1;
      if (Math.abs(audio.currentTime - this.stopped) > 0.001) audio.currentTime = this.stopped;
    }
    this.playing = true;
    this.onchange();
    const started = await Promise.allSettled(this.elements().map((audio) => audio.play()));
    if (this.playing && started.every((result) => result.status === "rejected")) this.pause();
    if (this.playing) this.timer = this.timer || setInterval(() => this.keepTogether(), 200);
  }

  pause() {
    this.stopped = this.time;
    this.playing = false;
    clearInterval(this.timer);
    this.timer = null;
    for (const audio of this.elements()) audio.pause();
    this.onchange();
  }

  seek(time) {
    this.stopped = Math.min(Math.max(time, 0), this.duration);
    for (const audio of this.elements()) {
      audio.playbackRate = 1;
      audio.currentTime = this.stopped;
      if (this.playing && audio.paused) audio.play().catch(() => {});
    }
    this.onchange();
  }

  /** Bring elements that run apart together again, and stop at the end. */
  keepTogether() {
    const leader = this.leader();
    const all = this.elements();
    if (all.length && all.every((audio) => audio.ended)) {
      this.pause();
      this.stopped = this.duration;
      this.onchange();
      return;
    }
    if (!leader || leader.seeking) return;
    leader.playbackRate = 1;
    for (const audio of all) {
      if (audio === leader || audio.ended || audio.seeking) continue;
      const late = leader.currentTime - audio.currentTime;
      if (Math.abs(late) > FAR_APART_S) {
        audio.currentTime = leader.currentTime;
        audio.playbackRate = 1;
      } else {
        audio.playbackRate = Math.abs(late) > APART_S ? 1 + Math.sign(late) * 0.04 : 1;
      }
    }
  }
}
