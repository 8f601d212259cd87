One port serves the models of many local inference engines, of which one at a time holds the memory: the next one starts when the memory of the last has really come back.
