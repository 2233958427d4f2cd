"""Keys, and sealing and opening under them. No catalog, no network; files only for the keys themselves.

master    the master key (one or several Fernet keys) wraps the keys of spaces
keyring   the keys of one space, and its keys file
tokens    Fernet tokens in binary form, sealed and opened at the speed of the primitives
sealing   what is in a token: a 64-byte header that binds it to its place, then the data
names     sealed names and attributes, and the key by which a name is unique in its folder
opened_names  names and attributes that were sealed or opened of late
rows      authentication of catalog rows, and the digest over all of them
"""
