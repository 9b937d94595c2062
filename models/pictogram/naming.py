"""The concepts' names under a tokenizer: as token ids, and as rows of the language model."""
import torch
from tokenizers import Tokenizer

from words import accepted_names, english_name


class Words:
    """Names of the concepts of index.json under one tokenizer."""

    def __init__(self, concepts, tokenizer):
        """tokenizer: the text of a tokenizer.json."""
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.names = [english_name(c) for c in concepts]
        self.accepted = [accepted_names(c) for c in concepts]
        self.english = [self.ids(" " + name) for name in self.names]
        self.blank = self.ids("\n")[0]

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def rows(self, embedding):
        """float32 [concepts + 1, hidden]: the row by which a perfect tower would show each concept, its English name's embeddings added up, the
        earlier the stronger; the last is nobody's."""
        return torch.stack([*(self._row(embedding[torch.tensor(ids)]) for ids in self.english), embedding[self.blank]])

    @staticmethod
    def _row(parts):
        row = (parts * (0.65 ** torch.arange(len(parts)))[:, None]).sum(0)
        return row * (parts.norm(dim=1).mean() / row.norm())
