// The functions of protocol.js. ES5, and nothing of Max: the same file runs in [js], in Node and in tests.
// Above it in the generated file stands `TABLE`, the protocol's table.

var BY_NAME = {};
var BY_ADDRESS = {};

(function () {
  for (var i = 0; i < TABLE.messages.length; i++) {
    BY_NAME[TABLE.messages[i].name] = TABLE.messages[i];
    BY_ADDRESS[TABLE.messages[i].address] = TABLE.messages[i];
  }
})();

function has(object, key) {
  return Object.prototype.hasOwnProperty.call(object, key);
}

// "" if a value is as its argument's row says, else what is wrong with it.
function fault(arg, value) {
  if (arg.tag === "i") {
    if (typeof value !== "number" || Math.floor(value) !== value) return arg.name + " is an integer";
    if (value < arg.low || value > arg.high) return arg.name + " is " + arg.low + " to " + arg.high;
    return "";
  }
  if (typeof value !== "string") return arg.name + " is a string";
  if (value.length < arg.low || value.length > arg.high || !new RegExp("^(?:" + TABLE.forms[arg.form] + ")$").test(value)) {
    return arg.name + " is " + arg.low + " to " + arg.high + " characters of the form " + arg.form;
  }
  return "";
}

// [address, argument, ...] of a message; throws if a value is missing or against the table.
function encode(name, values) {
  if (!has(BY_NAME, name)) throw new Error("no message " + name);
  var message = BY_NAME[name];
  var list = [message.address];
  for (var i = 0; i < message.args.length; i++) {
    var arg = message.args[i];
    var wrong = fault(arg, has(values, arg.name) ? values[arg.name] : undefined);
    if (wrong) throw new Error(name + ": " + wrong);
    list.push(values[arg.name]);
  }
  return list;
}

// {name, values} of a message that came to the device; null if it isn't one, or not to this device (its first argument is another token).
function decode(address, args, token) {
  if (!has(BY_ADDRESS, address)) return null;
  var message = BY_ADDRESS[address];
  if (message.to === "daemon" || args.length !== message.args.length || args[0] !== token) return null;
  var values = {};
  for (var i = 0; i < args.length; i++) {
    if (fault(message.args[i], args[i])) return null;
    values[message.args[i].name] = args[i];
  }
  return { name: message.name, values: values };
}

// Any text as ASCII. Half of a surrogate pair, which is no character, becomes U+FFFD.
function percentEncode(text) {
  return encodeURIComponent(String(text).replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g, function (found) {
    return found.length === 2 ? found : "\uFFFD";
  }));
}

// The text of a percent-encoded string; null if it is none.
function percentDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return null;
  }
}

// A JSON object in ASCII that reads the same whether or not percent-encoding is undone first.
function toJson(object) {
  return JSON.stringify(object).replace(/[%\u007F-\uFFFF]/g, function (found) {
    return "\\u" + ("000" + found.charCodeAt(0).toString(16)).slice(-4);
  });
}

// The object in a JSON argument, plain or percent-encoded; null if there is none.
function fromJson(text) {
  var plain = text.charAt(0) === "{" ? text : percentDecode(text);
  try {
    var value = plain === null ? null : JSON.parse(plain);
    return value !== null && typeof value === "object" && !(value instanceof Array) ? value : null;
  } catch (error) {
    return null;
  }
}

// The values of all `job/part` of a request; throws if it is larger than allowed.
function parts(token, job, request) {
  var text = percentEncode(JSON.stringify(request));
  var total = Math.ceil(text.length / TABLE.limits.chunk_chars);
  var list = [];
  if (text.length > TABLE.limits.request_chars) throw new Error("the request has " + text.length + " characters");
  for (var i = 0; i < total; i++) {
    var chunk = text.substr(i * TABLE.limits.chunk_chars, TABLE.limits.chunk_chars);
    list.push({ token: token, job: job, idx: i, total: total, chunk: chunk });
  }
  return list;
}

// The indices in a `job/ack`.
function missing(csv) {
  var list = csv === "" ? [] : csv.split(",");
  for (var i = 0; i < list.length; i++) list[i] = Number(list[i]);
  return list;
}

// CRC-32 of an array of bytes, as `job/result` has it: eight hexadecimal digits.
function crc32(bytes) {
  var crc = -1;
  for (var i = 0; i < bytes.length; i++) {
    crc ^= bytes[i] & 255;
    for (var bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xEDB88320 : crc >>> 1;
  }
  return ("0000000" + ((crc ^ -1) >>> 0).toString(16)).slice(-8);
}

// What the user should do about an error code, where no better text came with it.
function advice(code) {
  return has(TABLE.errors, code) ? TABLE.errors[code] : TABLE.errors.internal;
}
