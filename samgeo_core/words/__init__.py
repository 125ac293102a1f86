"""The words that people read, in English and Chinese; docs/words.md tells how to add some."""

from samgeo_core.words.catalogue import N_, _, ngettext, words_of_scripts
from samgeo_core.words.languages import speaking, spoken_language
from samgeo_core.words.sentences import sentence

__all__ = ["N_", "_", "ngettext", "sentence", "speaking", "spoken_language", "words_of_scripts"]
