// What every part of the page needs.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const LANGUAGE = document.documentElement.lang, held = document.getElementById("retold");
const retold = held ? JSON.parse(held.textContent) : {};
const _ = (message) => retold[message] ?? message;
const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 300));
const unpacked = (holder) => {
  const bytes = Uint8Array.from(atob(holder.textContent.trim()), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
