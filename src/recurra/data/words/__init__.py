"""From text to tokens and token ids.

pretokenize.py   patterns that split text; boundaries at which a text stream can be split
tokenizers.py    word tokenizers of NLTK and jieba, stop words, parts of speech
vocabulary.py    tokens to ids and back; count.py counts tokens, token_stream.py encodes text in chunks
ngrams.py        character n-grams of a word
embeddings.py    files of pretrained word embeddings
tag_schemes.py   how tags encode spans (BIO and others)
documents.py     whether the parts of a text are independent
"""
