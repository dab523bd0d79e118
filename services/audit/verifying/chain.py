"""One chain verified block by block: what is kept beside a block, its header, its link, its rules, its entries."""

from hashlib import sha256
from typing import Final

from events import block as blocks
from events.block import HASH_BYTES, NO_HASH, Block, BlockDamaged, Genesis, Header
from events.merkle import merkle_root
from services.audit.verifying.findings import Finding, Verified, moment_text
from services.ledgers.port import StoredBlock

_COLUMNS: Final = ("partition", "height", "first_seq", "entries", "recorded_at", "prev_hash")


class Chain:
    """The checks of one partition's chain; what they find goes into `verified`."""

    def __init__(self, verified: Verified, rule: Genesis | None) -> None:
        self._verified = verified
        self._rule = rule

    def add(self, stored: StoredBlock) -> Block | None:
        """Checks the next block; None if nothing of it can be read, or if another one is in its place."""
        verified = self._verified
        is_next = self._is_next(stored)
        verified.blocks += 1
        verified.entries += stored.entries
        try:
            block = blocks.block_of(stored.data)
        except BlockDamaged as error:
            why = str(error).removeprefix("a block cannot be read: ")
            self._find(stored, "unreadable", "a block", why, f"cannot be read: {why}")
            self._go_on(stored, None)
            return None
        is_own = self._check_columns(stored, block)
        if is_own:
            self._check_rules(stored, block.header)
            if is_next and block.header.height == stored.height:
                self._check_link(stored, block.header)
        self._check_entries(stored, block)
        is_here = (block.header.partition, block.header.height) == (stored.partition, stored.height)
        self._go_on(stored, block if is_own and is_here else None)
        return block if is_here else None

    def lose(self, height: int, problem: str) -> None:
        """Notes that nothing can be read of a block, not even what is kept beside it."""
        verified = self._verified
        sentence = f"Block {height} of partition {verified.partition} cannot be read: {problem}"
        self._add(verified.partition, height, "file", "a block", problem, sentence)
        verified.height, verified.hash, verified.stored_hash, verified.next_seq = height, b"", b"", -1

    def _is_next(self, stored: StoredBlock) -> bool:
        due = self._verified.height + 1
        if stored.height == due:
            return self._verified.next_seq >= 0
        some = f"Block {due}" if stored.height == due + 1 else f"Blocks {due} to {stored.height - 1}"
        verb = "is" if stored.height == due + 1 else "are"
        sentence = f"{some} of partition {stored.partition} {verb} missing."
        self._add(stored.partition, due, "gap", f"block {due}", f"block {stored.height}", sentence)
        return False

    def _check_columns(self, stored: StoredBlock, block: Block) -> bool:
        """What is kept beside a block against its header; whether the header is the one that was hashed."""
        header = block.header
        differing = [name for name in _COLUMNS if getattr(stored, name) != getattr(header, name)]
        if block.hash != stored.hash:
            also = "".join(
                f"; its {name} is {_text(header, name)}, beside it stands {_text(stored, name)}" for name in differing
            )
            sentence = f"was changed: its header, or the hash that is kept beside it{also}"
            self._find(stored, "header", block.hash.hex(), stored.hash.hex(), sentence)
            return not differing
        for name in differing:
            expected, found = _text(header, name), _text(stored, name)
            sentence = f"has {name} {found} kept beside it, and {expected} in its header, which is what was hashed"
            self._find(stored, "column", expected, found, sentence)
        return True

    def _check_rules(self, stored: StoredBlock, header: Header) -> None:
        """The rules that block 0 fixed, for this partition and all others."""
        verified = self._verified
        if (header.genesis is not None) != (header.height == 0):
            is_due = "the rules of the ledger" if header.height == 0 else "no rules: those are in block 0"
            self._find(stored, "genesis", is_due, repr(header.genesis), f"holds {header.genesis!r}; due are {is_due}")
        elif header.genesis is not None:
            verified.genesis = header.genesis
            rule = self._rule or header.genesis
            verified.policies = [rule.policy]
            if header.genesis != rule:
                sentence = f"fixes other rules ({header.genesis!r}) than partition 0 ({rule!r})"
                self._find(stored, "genesis", repr(rule), repr(header.genesis), sentence)
            if not 0 <= header.partition < rule.partitions:
                sentence = f"is of a partition that a ledger of {rule.partitions} does not have"
                self._find(stored, "genesis", f"below {rule.partitions}", str(header.partition), sentence)
        self._check_policy(stored, header)

    def _check_policy(self, stored: StoredBlock, header: Header) -> None:
        """Every block is under the policy in force, which only an adoption changes, for one that never was in force."""
        policies = self._verified.policies or ([] if self._rule is None else [self._rule.policy])
        if header.adopts is not None:
            policy, stamps = header.adopts.policy, [one.stamp for one in policies]
            if not header.height:
                due, sentence = "no policy beside its own", "adopts a policy, and begins the ledger under one"
                self._find(stored, "policy", due, policy.stamp, sentence)
            if policy.stamp in stamps:
                sentence = f"adopts policy {policy.stamp}, which was in force before"
                self._find(stored, "policy", "a policy of its own name and version", policy.stamp, sentence)
            if policies and policy.zone != policies[0].zone:
                sentence = f"adopts a policy in the zone {policy.zone!r}, and the days of this ledger are of another"
                self._find(stored, "policy", policies[0].zone, policy.zone, sentence)
            policies = self._verified.policies = [*policies, policy]
        if policies and header.policy != policies[-1].stamp:
            sentence = f"is booked under policy {header.policy}, and the ledger's is {policies[-1].stamp}"
            self._find(stored, "policy", policies[-1].stamp, header.policy, sentence)

    def _check_link(self, stored: StoredBlock, header: Header) -> None:
        """What a block says of the one before it."""
        verified = self._verified
        before = (verified.hash, verified.stored_hash) if verified.height >= 0 else (NO_HASH,)
        if header.prev_hash not in before:
            sentence = f"does not follow block {verified.height}: it names another hash as that of the block before it"
            self._find(stored, "link", before[0].hex(), header.prev_hash.hex(), sentence)
        if header.first_seq != verified.next_seq:
            sentence = f"begins with entry {header.first_seq} where {verified.next_seq} is due"
            self._find(stored, "numbers", str(verified.next_seq), str(header.first_seq), sentence)
        if header.recorded_at < verified.recorded_at:
            due, found = moment_text(verified.recorded_at), moment_text(header.recorded_at)
            sentence = f"was recorded at {found}, before block {verified.height}, which was at {due}"
            self._find(stored, "clock", f"{due} or later", found, sentence)
        for name, offset in verified.sources.items():
            if header.sources.get(name, -1) < offset:
                found = str(header.sources.get(name, "nothing"))
                sentence = f"says that {name} was read up to {found}, the block before it up to {offset}"
                self._find(stored, "sources", f"{offset} or later", found, sentence)

    def _check_entries(self, stored: StoredBlock, block: Block) -> None:
        header, entries = block.header, block.entries
        root = merkle_root(blocks.entry_leaves(entries))
        if root != header.merkle_root:
            some = f"one of its entries {header.first_seq} to {block.next_seq - 1}"
            sentence = f"was changed after it was sealed: {some} is not what it was, or not where it was"
            self._find(stored, "merkle", header.merkle_root.hex(), root.hex(), sentence)
        if blocks.data_of(blocks.header_bytes(block.data), entries) != block.data:
            sentence = "is not spelt as blocks are: its bytes were changed, though they still mean the same"
            self._find(stored, "bytes", "the shortest msgpack", "another spelling", sentence)
        for seq, entry in enumerate(entries, header.first_seq):
            if entry.hashes and sha256(entry.event).digest() != entry.hashes[HASH_BYTES:]:
                found, due = sha256(entry.event).hexdigest(), entry.hashes[HASH_BYTES:].hex()
                sentence = "was changed after text had been taken out of its event"
                self._find(stored, "redaction", due, found, sentence, seq)

    def _go_on(self, stored: StoredBlock, block: Block | None) -> None:
        """What the next block has to follow; where the header is not to be trusted, what is kept beside it."""
        verified = self._verified
        verified.height = stored.height
        verified.stored_hash = stored.hash
        verified.hash = stored.hash if block is None else block.hash
        verified.next_seq = stored.end_seq if block is None else block.next_seq
        recorded_at = stored.recorded_at if block is None else block.header.recorded_at
        verified.recorded_at = max(verified.recorded_at, recorded_at)
        verified.sources = verified.sources if block is None else block.header.sources

    def _find(
        self, stored: StoredBlock, check: str, expected: str, found: str, sentence: str, seq: int | None = None
    ) -> None:
        what = f"Block {stored.height} of partition {stored.partition}"
        entry = "" if seq is None else f", entry {seq},"
        self._add(stored.partition, stored.height, check, expected, found, f"{what}{entry} {sentence}.", seq)

    def _add(
        self,
        partition: int,
        height: int,
        check: str,
        expected: str,
        found: str,
        sentence: str,
        seq: int | None = None,
    ) -> None:
        self._verified.add(Finding(partition, height, seq, check, expected, found, sentence))


def _text(of: StoredBlock | Header, name: str) -> str:
    value = getattr(of, name)
    if name == "recorded_at":
        return moment_text(value)
    return value.hex() if isinstance(value, bytes) else str(value)
