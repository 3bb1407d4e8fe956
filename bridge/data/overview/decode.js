"use strict";
// Reads what bridge/deliver/overview_data.py packed.

/** Bytes of base64 text. */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Numbers of 7 bits a byte, the low ones first. */
function numbersOf(text) {
  const numbers = [];
  let number = 0;
  let scale = 1;
  for (const byte of bytesOf(text)) {
    number += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      numbers.push(number);
      number = 0;
      scale = 1;
    }
  }
  return numbers;
}

/** Spans as [start, end, one, other]: seconds, and the two numbers that each has. */
function spansOf(text) {
  const numbers = numbersOf(text);
  const spans = [];
  let start = 0;
  for (let index = 0; index < numbers.length; index += 4) {
    start += numbers[index];
    spans.push([start / 1000, (start + numbers[index + 1]) / 1000, numbers[index + 2], numbers[index + 3]]);
  }
  return spans;
}

/** Notes as MIDI has them, with their times in seconds. */
function notesOf(text) {
  return spansOf(text).map(([start, end, pitch, velocity]) => ({ start, end, pitch, velocity }));
}

/** Chords with their symbols; confidence from 0 to 1. */
function chordsOf([symbols, text]) {
  return spansOf(text).map(([start, end, symbol, percent]) => ({
    start,
    end,
    symbol: symbols[symbol],
    confidence: percent / 100,
  }));
}

/** Ascending times in seconds. */
function timesOf(text) {
  let time = 0;
  return numbersOf(text).map((step) => (time += step) / 10000);
}

/** Index of the last of ascending times that is at or before a time; -1 for none. */
function lastAt(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
