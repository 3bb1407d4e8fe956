// OSC messages of integers and strings, as udpsend and udpreceive read and write them. Stricter than those: what the
// protocol forbids is an error.
'use strict';

const padded = (text) => {
  if (!/^[ -~]*$/.test(text)) throw new Error(`not ASCII: ${text}`);
  return Buffer.from(text + '\0'.repeat(4 - (text.length % 4)), 'ascii');
};

function integer(value) {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

// The datagram of [address, argument, ...].
function encode([address, ...values]) {
  const tags = values.map((value) => (typeof value === 'number' ? 'i' : 's')).join('');
  const parts = values.map((value) => (typeof value === 'number' ? integer(value) : padded(value)));
  const datagram = Buffer.concat([padded(address), padded(`,${tags}`), ...parts]);
  if (datagram.length > 1024) throw new Error(`a datagram of ${datagram.length} bytes`);
  return datagram;
}

// [address, argument, ...] of a datagram.
function decode(datagram) {
  let at = 0;
  const text = () => {
    const end = datagram.indexOf(0, at);
    const found = datagram.toString('ascii', at, end);
    at = end + 4 - (end % 4);
    return found;
  };
  const address = text();
  const tags = text().slice(1);
  return [address, ...[...tags].map((tag) => {
    if (tag === 's') return text();
    at += 4;
    return datagram.readInt32BE(at - 4);
  })];
}

module.exports = { encode, decode };
