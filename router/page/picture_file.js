// Pictures as the server takes them. The limits are those of common/limits.h.
const ACCEPTED = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"];
const MAX_BYTES = 20 * 2 ** 20;
const MAX_PIXELS = 40e6;
const MAX_SIDE = 16384;

// Most pictures of one request.
export const MAX_PICTURES = 16;

// {name, dataUri} of a file. What the browser can show but the server would not take, by format or
// by size, becomes a JPEG file on white. Throws an Error that names the file where it is none.
export async function readPicture(file) {
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => {
      throw new Error(`“${file.name}” is not a picture that can be read: ` +
                      "PNG, JPEG, WebP, GIF and BMP files are.");
    });
    const { naturalWidth: width, naturalHeight: height } = image;
    const fits = width * height <= MAX_PIXELS && Math.max(width, height) <= MAX_SIDE;
    const taken = ACCEPTED.includes(file.type) && file.size <= MAX_BYTES && fits;
    return { name: file.name, dataUri: await toDataUri(taken ? file : await redraw(image)) };
  } finally {
    URL.revokeObjectURL(url);
  }
}

// Without "data:...;base64,".
export function base64Of(dataUri) {
  return dataUri.slice(dataUri.indexOf(",") + 1);
}

export function toDataUri(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function redraw(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)),
                         MAX_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(width * scale));
  canvas.height = Math.max(1, Math.floor(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large."))),
                  "image/jpeg", 0.92);
  });
}
