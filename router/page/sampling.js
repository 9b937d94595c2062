// How answers are sampled, in the fields of a chat request. InternLM-XComposer models get the
// published settings (chat() of the models; gradio_demo/gradio_demo_composition.py of
// github.com/InternLM/InternLM-XComposer). Others answer greedily, for the sake of truth, and edit
// as the router has them write articles (router/compose/plain_prompts.cc).
const PUBLISHED_CHAT = { temperature: 1, top_p: 0.8, repetition_penalty: 1.005 };
const PUBLISHED_EDITING = { ...PUBLISHED_CHAT, top_k: 40 };
const PLAIN_CHAT = { temperature: 0 };
const PLAIN_EDITING = { temperature: 0.6, top_p: 0.9, repetition_penalty: 1.1 };

// Whether a model is one that published words and settings are for; all there is to go by is its
// name.
export function isPublished(model) {
  return /xcomposer/i.test(model);
}

export function chatSampling(model) {
  return isPublished(model) ? PUBLISHED_CHAT : PLAIN_CHAT;
}

export function editingSampling(model) {
  return isPublished(model) ? PUBLISHED_EDITING : PLAIN_EDITING;
}
