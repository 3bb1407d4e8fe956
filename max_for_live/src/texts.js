// What the device says: of everything a line on what is going on, and a line on what to do next.
// A line of the display holds LINE characters. What comes from elsewhere, or has a name in it, may be longer: it is
// laid out in pages of two lines.
/* global module */
var StembridgeTexts = (function () {
  "use strict";

  var LINE = StembridgeControls.TABLE.status1.columns;

  // Two lines, or two pages of two lines each.
  var TABLE = {
    // Nothing is going on
    "looking": ["Looking for the converter.", "One moment, please."],
    "ready": ["Ready.", "Select a clip and press Convert."],
    "off": ["The device is switched off.", "Switch it on to convert."],
    "cancelled": ["Cancelled. Nothing was added.", "Press Convert to start again."],
    "cancelled-silently": ["Stopped here: converter is silent.", "Press Convert to start again."],
    // The clip
    "no-clip": ["No clip is selected.", "Click an audio clip, then Convert."],
    "midi-clip": ["This is a MIDI clip already.", "Select an audio clip."],
    "no-file": ["This clip has no audio file yet.", "Select another, or record it first."],
    "missing-file": ["The clip's audio file is missing.", "Locate it in Live, then convert."],
    "recording": ["This clip is being recorded.", "Stop recording, then convert."],
    "frozen": ["The clip's track is frozen.", "Unfreeze it, then convert."],
    "too-large": ["The clip has too many warp markers.", "Delete some, then convert again."],
    "no-markers": ["Live doesn't tell its warp markers.", "Delete some of them, or unwarp it."],
    "unreadable-clip": ["Live doesn't tell what is in this clip.", "Select it again, then convert."],
    "unsaved": ["This Set is not saved yet.", "Save it soon, to keep its audio."],
    "unwarped": ["The clip is not warped.", "Notes fit the Set's present tempo."],
    // The converter
    "no-secret": ["The device isn't linked yet.", "Run: stembridge device install",
      "Is it a copy, as in a Set's project?", "Use the one in Live's browser instead."],
    "wrong-secret": ["The device's link is out of date.", "Run: stembridge device install",
      "Is it a copy, as in a Set's project?", "Use the one in Live's browser instead."],
    "bad-link": ["The file stembridge.json is damaged.", "Run: stembridge device install"],
    "not-running": ["The converter isn't running.", "Run: stembridge serve"],
    "no-port": ["UDP ports 17901 to 17924 are taken.", "Remove Stembridge devices from tracks,",
      "or quit other programs that use OSC,", "then Live, and start Live again."],
    "gone": ["Converter stopped: waiting for it.", "Run: stembridge serve"],
    "device-old": ["The device is older than Stembridge.", "Run: stembridge device install",
      "Then delete the device and drag it in", "again from Live's browser."],
    "daemon-old": ["Stembridge is older than the device.", "Update Stembridge, start it again."],
    // A job
    "connecting": ["Connecting to the converter.", "Please wait, or press Cancel."],
    "sending": ["Sending the clip's details.", "Please wait, or press Cancel."],
    "queued": ["Waiting for the converter's queue.", "Please wait, or press Cancel."],
    "running": ["Converting. Keep on working.", "Cancel stops it at any time."],
    "cancelling": ["Stopping.", "One moment, please."],
    "reading": ["Reading the result.", "Please wait, or press Cancel."],
    "inserting": ["Inserting. Hands off for a moment.", "Please wait, or press Cancel."],
    // Inserting
    "result-gone": ["The result's files are gone.", "Press Convert to make it again."],
    "result-changed": ["The result's files are damaged.", "Press Convert to make it again."],
    "result-newer": ["The device is too old for this result.", "Run: stembridge device install",
      "Then delete the device and drag it in", "again from Live's browser."],
    "nothing-found": ["Nothing was found in this clip.", "Try another setting of 'Clip is'."],
    "no-track": ["Live made no track: none was added.", "Make room for tracks, convert again."],
    "no-place": ["Live made no clip: none was added.", "Press Convert again, or restart Live."],
    "no-notes": ["Live took no notes: none was added.", "Press Convert again, or restart Live."],
    "unread-notes": ["Live doesn't tell which notes it took.", "Press Convert again, or restart Live."],
    "left-behind": ["Live kept tracks of a stopped job.", "Press Undo in Live until they are gone."],
    "kept-yours": ["A track with a clip of yours was kept.", "Delete what you don't need of it."],
    "broken": ["Something failed inside the device.", "Drag the device in again."]
  };

  // Text as lines of at most LINE characters, broken at spaces; words that are longer are cut.
  function lines(text) {
    var words = String(text).split(/\s+/), list = [], line = "";
    for (var i = 0; i < words.length; i++) {
      var word = words[i];
      if (line !== "" && line.length + 1 + word.length > LINE) {
        list.push(line);
        line = "";
      }
      while (word.length > LINE) {
        list.push(word.substr(0, LINE));
        word = word.substr(LINE);
      }
      line += (line === "" ? "" : " ") + word;
    }
    if (line !== "") list.push(line);
    return list;
  }

  function linesOf(said) {
    if (said instanceof Array) return said;
    return Object.prototype.hasOwnProperty.call(TABLE, said) ? TABLE[said] : lines(said);
  }

  // Pages of two lines for what is said: a list of keys of the table, free texts and pairs of lines, in order.
  function pages(said) {
    var list = [];
    for (var i = 0; i < said.length; i++) {
      var broken = linesOf(said[i]);
      for (var j = 0; j < broken.length; j += 2) list.push([broken[j], j + 1 < broken.length ? broken[j + 1] : ""]);
    }
    return list;
  }

  // What is said, in one line.
  function plain(said) {
    var list = [];
    for (var i = 0; i < said.length; i++) list.push(linesOf(said[i]).join(" "));
    return list.join(" ");
  }

  // A text on one line, its middle left out if it is longer than `most`.
  function shortened(text, most) {
    if (text.length <= most) return text;
    var head = Math.ceil((most - 3) * 2 / 3);
    return text.substr(0, head) + "..." + text.substr(text.length - (most - 3 - head));
  }

  function plural(number, word) {
    return number + " " + word + (number === 1 ? "" : "s");
  }

  return { LINE: LINE, TABLE: TABLE, lines: lines, pages: pages, plain: plain, shortened: shortened, plural: plural };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeTexts;
