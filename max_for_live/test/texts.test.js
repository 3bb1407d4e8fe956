// What the device says.
'use strict';

const assert = require('assert');
const fs = require('fs');
const vm = require('vm');
const { test } = require('node:test');

const context = vm.createContext({ Task: class { schedule() {} } });
vm.runInContext(fs.readFileSync(process.env.STEMBRIDGE_BUNDLE, 'utf8'), context);
const { StembridgeTexts: texts, StembridgeControls: controls } = context;
const plain = (value) => JSON.parse(JSON.stringify(value));

test('each text is a line on what is going on and a line on what to do, and fits its place', () => {
  for (const [key, lines] of Object.entries(plain(texts.TABLE))) {
    assert.ok([2, 4].includes(lines.length), key);
    lines.forEach((line, index) => {
      assert.ok(line.length <= controls.TABLE[`status${(index % 2) + 1}`].columns, line);
    });
    assert.match(lines[0], /^[A-Z'].*\w.*\.$/);
    assert.match(lines[1], /^[A-Z'].*\w/);
  }
});

test('longer texts are laid out in pages of two lines, without losing a letter', () => {
  const text = 'word '.repeat(30) + 'x'.repeat(100);
  const pages = plain(texts.pages(['ready', text]));
  assert.deepStrictEqual(pages[0], plain(texts.TABLE.ready));
  assert.ok(pages.flat().every((line) => line.length <= texts.LINE));
  assert.strictEqual(pages.slice(1).flat().join('').replace(/ /g, ''), text.replace(/ /g, ''));
});

test('a long name loses its middle', () => {
  assert.strictEqual(texts.shortened('abcdefghijklmnopqrstuvwxyz', 12), 'abcdef...xyz');
  assert.strictEqual(texts.shortened('short', 12), 'short');
});

test('all keys that the script says are in the table', () => {
  const bundle = fs.readFileSync(process.env.STEMBRIDGE_BUNDLE, 'utf8');
  const said = [...bundle.matchAll(/(?:failure\(|fail\(\[|finish\(\[|said = \[|stop\(\[|enter\("\w+", \[|warnings\.push\()"([a-z-]+)"/g)];
  assert.ok(said.length > 20);
  for (const [, key] of said) assert.ok(key in texts.TABLE, key);
  for (const key of Object.keys(texts.TABLE)) assert.ok(bundle.split(`"${key}"`).length > 2, `${key} is never said`);
});
