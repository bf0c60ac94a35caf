"""The deployment form for microcontrollers: an integer network as C99 that needs no library and no heap."""
