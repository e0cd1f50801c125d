// What every part of the page needs.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const LANGUAGE = document.documentElement.lang, held = document.getElementById("retold");
const retold = held ? JSON.parse(held.textContent) : {};
const _ = (message) => retold[message] ?? message;
const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 300));
const unpacked = (holder) => {
  const text = atob(holder.textContent.trim()), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
const urgent = [];  // what has to stand before charts are drawn
