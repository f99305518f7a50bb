"""Common names of columns, by role. They find the columns, and they show that a first line is a header."""

TEXT_NAMES = (
    *("text", "review", "sentence", "content", "body", "comment", "message", "question", "utterance", "tweet"),
    *("comment_text", "full_text", "abstract"),
    *("document", "description", "name", "title", "source", "input", "文本", "内容", "句子", "评论"),
)
LYRICS_NAMES = (  # of long texts; a title is no text to model
    *(name for name in TEXT_NAMES if name not in ("name", "title")),
    *("paragraphs", "lines", "lyrics", "poem", "article", "story", "正文"),
)
LABEL_NAMES = (
    *("label", "class", "category", "sentiment", "intent", "target", "topic", "type", "tag", "language", "lang"),
    *("polarity", "genre", "species", "y", "output", "标签", "类别", "分类", "情感"),
)
NUMBER_NAMES = ("number", "value", "rating", "score", "target", "stars", "price", "y", "label", "数值", "评分")
SOURCE_NAMES = (
    *("source", "src", "input", "question", "text", "sentence", "word", "passage", "原文", "源", "问题", "上联"),
)
TARGET_NAMES = (
    *("target", "tgt", "output", "answer", "translation", "summary", "title", "pronunciation", "phonemes", "response"),
    *("译文", "目标", "答案", "下联"),
)
OTHER_NAMES = (
    *("id", "index", "date", "time", "timestamp", "datetime", "series", "item", "store", "token", "tokens", "word"),
    *(
        "words",
        "tags",
        "pos",
        "ner",
        "file",
        "path",
        "audio",
        "image",
        "caption",
        "transcript",
        "lemma",
        "year",
        "month",
    ),
)
# Names in the first line of a file with one token per line.
TOKEN_NAMES = (
    *("token", "tokens", "word", "words", "form", "text", "char", "chars", "character", "characters", "surface", "tok"),
    *("字", "词", "字符", "词语"),
)
TOKEN_VALUE_NAMES = (
    *("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "ner tag", "pos", "pos_tag", "pos_tags", "upos"),
    *("xpos", "lemma", "chunk", "chunk_tag", "chunks", "iob", "bio", "entity", "entities", "slot", "slots", "class"),
    *("id", "idx", "index", "token_id", "position", "offset", "start", "end", "sentence", "sentence_id", "sentence #"),
    *("sent_id", "doc_id", "document", "feats", "head", "deprel", "syntactic", "gold", "标签", "标注", "词性"),
)
USUAL_NAMES = frozenset((*TEXT_NAMES, *LABEL_NAMES, *NUMBER_NAMES, *SOURCE_NAMES, *TARGET_NAMES, *OTHER_NAMES))
