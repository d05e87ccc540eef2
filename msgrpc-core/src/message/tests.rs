//! Messages, byte by byte; each test quotes its rule of WIRE.md.
