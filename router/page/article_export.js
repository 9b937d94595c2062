// An article as files: Markdown with a folder of pictures, and one web page that holds everything.
// Both look as those of the router do (router/compose/article_page.cc).
import { renderMarkdown } from "./markdown.js";

const EXTENSIONS = {
  "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif",
  "image/bmp": "bmp",
};

const STYLE =
  "body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1.1rem/1.6 Georgia,serif;" +
  "color:#222;background:#fff}h1,h2,h3{line-height:1.25}figure{margin:1.5rem 0;text-align:center}" +
  "img{max-width:100%;height:auto}figcaption,footer{font-size:.85rem;color:#595959}";

// File names of an article's pictures, by block id: "pictures/01.png". `typeOf` tells the media
// type of a block's picture.
export function pictureNames(article, typeOf) {
  return new Map(article.pictures().map((block, i) => {
    const number = String(i + 1).padStart(2, "0");
    return [block.id, `pictures/${number}.${EXTENSIONS[typeOf(block)] ?? "bin"}`];
  }));
}

// `names`: addresses of the pictures by block id.
export function articleMarkdown(article, names) {
  const blocks = article.blocks.map((block) => (block.kind === "paragraph"
    ? withoutTags(block.text)
    : block.sha256 && `![${linkText(block.caption)}](${names.get(block.id)})`)).filter(Boolean);
  const credits = creditsOf(article).map((credit) => `- ${linkText(credit)}`);
  return [`# ${withoutTags(article.title)}`, ...blocks, ...(credits.length > 0 ? ["---"] : []),
          ...(credits.length > 0 ? [credits.join("\n")] : [])].join("\n\n") + "\n";
}

// One HTML file. `addresses`: of the pictures by block id, data URIs for a page of its own.
export function articlePage(article, addresses) {
  const title = escapeHtml(article.title);
  const language = article.language ? ` lang="${escapeHtml(article.language)}"` : "";
  const blocks = article.blocks.filter((block) => block.kind === "paragraph" || block.sha256)
    .map((block) => (block.kind === "paragraph" ? paragraphHtml(block.text)
                                                : figureHtml(block, addresses.get(block.id))));
  const credits = creditsOf(article).map((credit) => `<li>${escapeHtml(credit)}</li>`);
  return `<!DOCTYPE html>
<html${language}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' data:; ` +
`style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<article>
<h1>${title}</h1>
${blocks.join("\n")}
</article>
${credits.length > 0 ? `<footer><ul>\n${credits.join("\n")}\n</ul></footer>\n` : ""}</body>
</html>
`;
}

// "Caption: source, licence", one for each picture that has any of the two; each only once.
export function creditsOf(article) {
  const credits = article.pictures().filter(({ licence, source }) => licence || source)
    .map(({ caption, licence, source }) =>
      (caption && `${caption}: `) + [source, licence].filter(Boolean).join(", "));
  return [...new Set(credits)];
}

// A name for a file, without its extension.
export function fileNameOf(article) {
  const words = article.title.normalize("NFC").match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return words.join("-").slice(0, 60) || "article";
}

function paragraphHtml(text) {
  const holder = document.createElement("div");
  holder.append(renderMarkdown(text, 2));
  return holder.innerHTML;
}

function figureHtml({ caption }, address) {
  const words = escapeHtml(caption);
  const shown = words && `<figcaption>${words}</figcaption>`;
  return `<figure><img alt="${words}" src="${escapeHtml(address)}">${shown}</figure>`;
}

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
}

// For a Markdown renderer that lets HTML through.
function withoutTags(text) {
  return text.replaceAll("<", "&lt;");
}

// In one line, with no bracket that could end a link's text.
function linkText(text) {
  return withoutTags(text).replace(/[[\]\\]/g, "\\$&").replaceAll("\n", " ");
}
