// Pictures of articles, fetched once each and kept as long as their article: the router may forget
// them sooner.
import { fetchPicture } from "./server.js";

export class PictureCache {
  #pictures = new Map();

  // {blob, url}; `url` is good until clear(). A fetch that failed is tried again.
  get(sha256) {
    let picture = this.#pictures.get(sha256);
    if (!picture) {
      picture = fetchPicture(sha256).then((blob) => ({ blob, url: URL.createObjectURL(blob) }));
      this.#pictures.set(sha256, picture);
      picture.catch(() => this.#pictures.delete(sha256));
    }
    return picture;
  }

  clear() {
    for (const picture of this.#pictures.values())
      picture.then(({ url }) => URL.revokeObjectURL(url), () => {});
    this.#pictures.clear();
  }
}
