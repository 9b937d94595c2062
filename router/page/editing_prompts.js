// How the model is asked to edit a paragraph. InternLM-XComposer models get the words of the
// published demonstration (gradio_demo/gradio_demo_composition.py of
// github.com/InternLM/InternLM-XComposer), which they know; others are asked in English.
import { editingSampling, isPublished } from "./sampling.js";

const PUBLISHED = {
  rewrite: ({ text, material }) => `改写以下段落：${text}\n基于以下素材：${material}`,
  expand: ({ text, material }) => `扩写以下段落：${text}\n基于以下素材：${material}`,
  shorten: ({ text }) => `缩写以下段落：${text}`,
  insert: ({ text, next, material }) =>
    `在以下两段中插入一段。\n第一段：${text}\n第二段：${next}\n插入段的大纲：${material}`,
};

const PLAIN = {
  rewrite: ({ text, material }) =>
    `Rewrite this paragraph in other words. Answer with the paragraph alone.\n${text}` +
    use(material),
  expand: ({ text, material }) =>
    `Expand this paragraph with more detail. Answer with the paragraph alone.\n${text}` +
    use(material),
  shorten: ({ text }) =>
    `Shorten this paragraph to what matters most. Answer with the paragraph alone.\n${text}`,
  insert: ({ text, next, material }) =>
    "Write one paragraph that belongs between these two. Answer with the paragraph alone.\n" +
    `First: ${text}\nSecond: ${next}` + (material && `\nIt is about: ${material}`),
};

// `kind`: rewrite, expand, shorten or insert (a paragraph between `text` and `next`); `material`:
// what the user wants to see in it, may be empty. A request to streamChat().
export function editingRequest(model, kind, { text, next = "", material = "" }) {
  const words = isPublished(model) ? PUBLISHED : PLAIN;
  const content = words[kind]({ text, next, material });
  return { model, messages: [{ role: "user", content }], ...editingSampling(model) };
}

// Paragraphs are lines: line breaks in an answer become spaces.
export function asParagraph(answer) {
  return answer.trim().replace(/\s*\n\s*/g, " ");
}

function use(material) {
  return material && `\nUse this: ${material}`;
}
