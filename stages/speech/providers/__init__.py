"""One file per provider; the file's name is the word for `tts=`."""
