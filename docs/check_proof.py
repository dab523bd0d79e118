"""Checks a proof of revledger with Python alone: python check_proof.py FILE [HASH of a block that was noted]."""
import base64, gzip, hashlib, json, re, sys
HEADER = re.compile(  # of a block, whose hash is the SHA-256 of it (msgpack)
    rb"[\x89-\x8b]\xa6format\x01\xa9partition.{,75}?\xa6policy(?:[\xa0-\xbf]|\xd9.)(.*?)"
    rb"\xabmerkle_root\xc4 (.{32})\xa9prev_hash\xc4 (.{32})", re.DOTALL)
def need(holds, step): holds or sys.exit(f"NOT PROVEN, because of the {step}")
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def raw(text): return need(base64.b64encode(data := base64.b64decode(text)).decode() == text, "form") or data
def signer(text, head):
    said, _, signature = text.rpartition("signature ")
    found = re.fullmatch(rf"revledger checkpoint 1\n(?:.*\n)*partition .* hash {head}\n(?:.*\n)*key (.{{64}})\n", said)
    need(found and re.fullmatch("[0-9a-f]{128}\n", signature), "checkpoint")
    try: from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as Key
    except ImportError: return "in a checkpoint, whose signature was NOT CHECKED: pip install cryptography"
    Key.from_public_bytes(bytes.fromhex(found[1])).verify(bytes.fromhex(signature), said.encode())
    return f"in a checkpoint signed by the key {found[1]}"
def checked(proof, noted=None):
    fields = {"proof", "event", "hashes", "booking", "path", "headers", "head", "checkpoint"}
    need(proof["proof"] == "revledger proof 1" and not proof.keys() - fields, "form")
    event, hashes, heads = proof["event"].encode(), raw(proof.get("hashes", "")), [raw(one) for one in proof["headers"]]
    need(not hashes or len(hashes) == 64 and sha(event) == hashes[32:], "event")  # had text taken out of it
    node, chain = sha(b"\0", hashes[:32] or sha(event), raw(proof["booking"])), [sha(head).hex() for head in heads]
    for side, beside in proof["path"]:  # up the Merkle tree of RFC 6962
        node = sha(b"\1", *{"left": (raw(beside), node), "right": (node, raw(beside))}[side])
    blocks = [need(found := HEADER.match(head), "form of a header") or found.groups() for head in heads]
    need(all(policy.decode() for policy, _, _ in blocks) and node == blocks[0][1], "path")
    need([before.hex() for _, _, before in blocks[1:]] == chain[:-1], "chain")
    need(proof.get("head", "") == ("" if proof.get("checkpoint") else chain[-1]), "head")
    need(noted is None or noted in chain, "hash that was noted")
    where = signer(proof["checkpoint"], chain[-1]) if proof.get("checkpoint") else "noted nowhere in the proof"
    said, left = json.loads(event), " by its hash alone, text was taken out" if hashes else ""
    print(f"PROVEN{left}: source {said['source']!r}, id {said['id']!r}\nup to block {chain[-1]}\n{where}")
def main(file, *noted):
    try: checked(json.loads((gzip.decompress(file) if file[:2] == b"\x1f\x8b" else file).decode()), *noted)
    except Exception as error:
        need(not error, ("signature" if type(error).__name__ == "InvalidSignature" else "form") + f": {error!r}")
if __name__ == "__main__":
    if len(sys.argv) not in (2, 3): sys.exit(print(__doc__, file=sys.stderr) or 2)
    try: main(open(sys.argv[1], "rb").read(), *sys.argv[2:])
    except OSError as error: sys.exit(f"NOT PROVEN, because of the file: {error}")
