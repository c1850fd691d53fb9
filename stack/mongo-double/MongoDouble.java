import de.bwaldvogel.mongo.*;
import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.backend.aggregation.Aggregation;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.oplog.Oplog;
import de.bwaldvogel.mongo.wire.*;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.*;
import io.netty.channel.group.*;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * A test double of MongoDB, not MongoDB: a single-member "replica set" on top of mongo-java-server's in-memory backend,
 * with change streams good enough for the drivers and for the Debezium MongoDB connector. It has no authentication and
 * no transactions, and forgets everything when it ends. What it does have: hello/replica-set fields, $clusterTime, server-format
 * resume tokens, postBatchResumeToken, awaitData getMore, collection/database/cluster scope, update/replace/delete
 * with updateDescription, updateLookup, pre/post images, drop/invalidate, ChangeStreamHistoryLost.
 */
public class MongoDouble extends MemoryBackend {
    static final class Event {
        long ts; Instant wall; String op, db, coll; Object id; Document full, pre, desc;
    }
    final class Stream_ {                       // one open change stream
        final long id = cursorIds.incrementAndGet(); final Document spec; final String db, coll; final Aggregation agg; long pos; boolean closed;
        Stream_(Document spec, String db, String coll, Aggregation agg, long pos) { this.spec = spec; this.db = db; this.coll = coll; this.agg = agg; this.pos = pos; }
    }

    private final Object lock = new Object();
    private final ArrayList<Event> log = new ArrayList<>();
    private final Map<String, Map<Object, Document>> shadow = new HashMap<>();   // ns -> _id -> last image
    private final Map<Long, Stream_> streams = new ConcurrentHashMap<>();
    private static final AtomicLong cursorIds = new AtomicLong(1L << 40);
    private final String setName, host; private final int maxLog; private long lastTs, trimmedTs;

    MongoDouble(String setName, String host, int maxLog) {
        this.setName = setName; this.host = host; this.maxLog = maxLog; this.lastTs = nowTs(); this.trimmedTs = lastTs;
        version(new MongoVersion() {
            public List<Integer> getVersionArray() { return List.of(7, 0, 14, 0); }
            public String toVersionString() { return "7.0.14"; }
            public int getWireVersion() { return 21; }
        });
        this.oplog = new ChangeLog();
    }
    @Override public void enableOplog() { }

    // ---- clock and tokens
    private static long nowTs() { return (Instant.now().getEpochSecond() << 32) | 1; }
    private long nextTs() { long n = nowTs(); lastTs = Math.max(lastTs + 1, n); return lastTs; }
    private static Document token(long ts) { return new Document("_data", String.format("82%016X2B0229296E04", ts)); }
    private static long parseToken(Document t) {
        String d = String.valueOf(t.get("_data"));
        if (d.length() < 18 || !d.startsWith("82")) throw new MongoServerError(260, "InvalidResumeToken", "Bad resume token: " + d);
        return Long.parseUnsignedLong(d.substring(2, 18), 16);
    }

    // ---- change log
    private void append(Event e) {
        e.ts = nextTs(); e.wall = Instant.now(); log.add(e);
        if (log.size() > maxLog) { int n = Math.max(1, maxLog / 10); trimmedTs = log.get(n - 1).ts; log.subList(0, n).clear(); }
        lock.notifyAll();
    }
    private static Event ev(String op, String ns) { Event e = new Event(); e.op = op; int i = ns.indexOf('.'); e.db = ns.substring(0, i); e.coll = ns.substring(i + 1); return e; }
    private Document current(String ns, Object id) {
        int i = ns.indexOf('.');
        MongoCollection<?> c = resolveDatabase(ns.substring(0, i)).resolveCollection(ns.substring(i + 1), false);
        if (c == null) return null;
        for (Document d : c.handleQuery(new Document("_id", id), 0, 1)) return d.cloneDeeply();
        return null;
    }
    private static void diff(String prefix, Document a, Document b, Document set, List<String> unset) {
        for (String k : a.keySet()) if (!b.containsKey(k)) unset.add(prefix + k);
        for (String k : b.keySet()) {
            Object x = a.get(k), y = b.get(k);
            if (a.containsKey(k) && Objects.equals(x, y) && (x == null || x.getClass() == y.getClass())) continue;
            if (x instanceof Document && y instanceof Document) diff(prefix + k + ".", (Document) x, (Document) y, set, unset);
            else set.put(prefix + k, y);
        }
    }
    final class ChangeLog implements Oplog {
        public void handleInsert(String ns, List<Document> docs) {
            synchronized (lock) { for (Document d : docs) {
                Map<Object, Document> m = shadow.get(ns); Object id = d.get("_id");
                if ((m != null && m.containsKey(id)) || current(ns, id) == null) continue;      // mongo-java-server also logs inserts that failed
                Event e = ev("insert", ns); e.full = d.cloneDeeply(); e.id = d.get("_id"); shadow.computeIfAbsent(ns, k -> new HashMap<>()).put(e.id, e.full); append(e); } }
        }
        public void handleUpdate(String ns, Document selector, Document update, List<Object> ids) {
            synchronized (lock) {
                boolean replace = update.keySet().stream().noneMatch(k -> k.startsWith("$"));
                for (Object id : ids) changed(ns, id, replace);
            }
        }
        public void handleDelete(String ns, Document query, List<Object> ids) {
            synchronized (lock) { for (Object id : ids) { Event e = ev("delete", ns); e.id = id; Map<Object, Document> m = shadow.get(ns); if (m != null) e.pre = m.remove(id); append(e); } }
        }
        public void handleDropCollection(String ns) { synchronized (lock) { shadow.remove(ns); append(ev("drop", ns)); } }
        public Cursor createCursor(Document cs, String ns, Aggregation agg) { throw new UnsupportedOperationException(); }
    }
    private void changed(String ns, Object id, boolean replace) {
        Document post = current(ns, id); if (post == null) return;
        Map<Object, Document> m = shadow.computeIfAbsent(ns, k -> new HashMap<>());
        Event e = ev(replace ? "replace" : "update", ns); e.id = id; e.pre = m.put(id, post); e.full = post;
        if (e.pre != null && e.pre.equals(post)) return;
        if (!replace) {
            Document set = new Document(); List<String> unset = new ArrayList<>(); diff("", e.pre == null ? new Document() : e.pre, post, set, unset);
            e.desc = new Document("updatedFields", set).append("removedFields", unset).append("truncatedArrays", new ArrayList<>());
        }
        append(e);
    }

    // ---- change streams
    private Document openStream(String db, Document query) {
        List<Document> pipeline = new ArrayList<>(Aggregation.parse(query.get("pipeline")));
        Document spec = (Document) pipeline.remove(0).get("$changeStream");
        pipeline.removeIf(s -> s.containsKey("$changeStreamSplitLargeEvent"));
        String coll = query.get("aggregate") instanceof String ? (String) query.get("aggregate") : null;
        boolean cluster = Utils.isTrue(spec.get("allChangesForCluster"));
        Aggregation agg = Aggregation.fromPipeline(pipeline, this::resolveDatabase, resolveDatabase(db), null, oplog);
        synchronized (lock) {
            long pos = lastTs; Document r = (Document) spec.get("startAfter"); if (r == null) r = (Document) spec.get("resumeAfter");
            if (r != null) pos = parseToken(r);
            else if (spec.get("startAtOperationTime") != null) pos = ((BsonTimestamp) spec.get("startAtOperationTime")).getValue() - 1;
            if (Long.compareUnsigned(pos, trimmedTs) < 0)
                throw new MongoServerError(286, "ChangeStreamHistoryLost", "Resume of change stream was not possible, as the resume point may no longer be in the oplog.");
            Stream_ s = new Stream_(spec, cluster ? null : db, cluster ? null : coll, agg, pos); streams.put(s.id, s);
            Document cur = (Document) query.getOrDefault("cursor", new Document());
            return reply(s, "firstBatch", ((Number) cur.getOrDefault("batchSize", 101)).intValue(), 0, db, coll);
        }
    }
    private Document reply(Stream_ s, String batchName, int batchSize, long waitMs, String db, String coll) {
        List<Document> batch = new ArrayList<>(); long deadline = System.currentTimeMillis() + waitMs;
        synchronized (lock) {
            if (!(batchName.equals("firstBatch") && batchSize == 0)) while (true) {
                int i = firstAfter(s.pos);
                while (i < log.size() && batch.size() < (batchSize <= 0 ? 1000 : batchSize)) {
                    Event e = log.get(i++); s.pos = e.ts;
                    if (s.db != null && !s.db.equals(e.db)) continue;
                    if (s.coll != null && !s.coll.equals(e.coll)) continue;
                    s.agg.runStagesAsStream(Stream.of(render(e, s.spec))).forEach(batch::add);
                    if (s.coll != null && e.op.equals("drop")) { batch.add(new Document("_id", token(e.ts)).append("operationType", "invalidate").append("clusterTime", new BsonTimestamp(e.ts)).append("wallTime", e.wall)); s.closed = true; break; }
                }
                if (!batch.isEmpty() || s.closed) break;
                if (i >= log.size()) s.pos = Math.max(s.pos, lastTs);
                long left = deadline - System.currentTimeMillis(); if (left <= 0) break;
                try { lock.wait(left); } catch (InterruptedException x) { break; }
                if (!streams.containsKey(s.id)) break;
            }
            if (s.closed) streams.remove(s.id);
            return new Document("cursor", new Document(batchName, batch).append("postBatchResumeToken", token(s.pos)).append("id", s.closed ? 0L : s.id)
                .append("ns", db + "." + (coll == null ? "$cmd.aggregate" : coll))).append("ok", 1.0);
        }
    }
    private int firstAfter(long pos) { int lo = 0, hi = log.size(); while (lo < hi) { int m = (lo + hi) >>> 1; if (Long.compareUnsigned(log.get(m).ts, pos) > 0) hi = m; else lo = m + 1; } return lo; }
    private Document render(Event e, Document spec) {
        Document d = new Document("_id", token(e.ts)).append("operationType", e.op).append("clusterTime", new BsonTimestamp(e.ts)).append("wallTime", e.wall);
        String fd = String.valueOf(spec.getOrDefault("fullDocument", "default")), fb = String.valueOf(spec.getOrDefault("fullDocumentBeforeChange", "off"));
        if (e.op.equals("insert") || e.op.equals("replace")) d.put("fullDocument", e.full);
        else if (e.op.equals("update") && fd.equals("updateLookup")) d.put("fullDocument", current(e.db + "." + e.coll, e.id));
        else if (e.op.equals("update") && !fd.equals("default")) d.put("fullDocument", e.full);
        Document ns = new Document("db", e.db); if (!e.coll.isEmpty()) ns.append("coll", e.coll); d.put("ns", ns);
        if (e.id != null) d.put("documentKey", new Document("_id", e.id));
        if (e.desc != null) d.put("updateDescription", e.desc);
        if (!fb.equals("off") && (e.op.equals("update") || e.op.equals("replace") || e.op.equals("delete"))) d.put("fullDocumentBeforeChange", e.pre);
        return d;
    }

    // ---- commands
    private static final Set<String> WRITES = Set.of("insert", "update", "delete", "findandmodify", "drop", "dropdatabase", "renamecollection", "create");
    @Override public Document handleCommand(Channel ch, String db, String command, Document query) {
        String c = command.toLowerCase(Locale.ROOT); Document r;
        if (System.getenv("MONGO_DOUBLE_TRACE") != null && !c.equals("hello") && !c.equals("getmore") && !c.equals("ismaster")) System.err.println("CMD " + db + " " + query);
        if (c.equals("hello") || c.equals("ismaster")) {
            r = new Document("helloOk", true).append("ismaster", true).append("isWritablePrimary", true).append("secondary", false).append("setName", setName).append("setVersion", 1)
                .append("hosts", List.of(host)).append("primary", host).append("me", host).append("electionId", new ObjectId(new byte[]{0x7f,-1,-1,-1,0,0,0,0,0,0,0,1}))
                .append("lastWrite", new Document("opTime", new Document("ts", new BsonTimestamp(lastTs)).append("t", 1L)).append("lastWriteDate", Instant.now()))
                .append("maxBsonObjectSize", 16777216).append("maxMessageSizeBytes", 48000000).append("maxWriteBatchSize", 100000).append("localTime", Instant.now())
                .append("logicalSessionTimeoutMinutes", 30).append("connectionId", 1).append("minWireVersion", 0).append("maxWireVersion", 21).append("readOnly", false).append("ok", 1.0);
        } else if (c.equals("aggregate") && isChangeStream(query)) r = openStream(db, query);
        else if (c.equals("getmore") && streams.get(((Number) query.get(command)).longValue()) != null) {
            Number mt = (Number) query.get("maxTimeMS");
            r = reply(streams.get(((Number) query.get(command)).longValue()), "nextBatch", ((Number) query.getOrDefault("batchSize", 0)).intValue(), mt == null ? 1000 : mt.longValue(), db, (String) query.get("collection"));
        } else if (c.equals("getmore") && ((Number) query.get(command)).longValue() > (1L << 40)) throw new MongoServerError(43, "CursorNotFound", "cursor id " + query.get(command) + " not found");
        else if (c.equals("killcursors") && ((List<?>) query.get("cursors")).stream().anyMatch(x -> streams.containsKey(((Number) x).longValue()))) {
            List<Object> killed = new ArrayList<>();
            for (Object x : (List<?>) query.get("cursors")) if (streams.remove(((Number) x).longValue()) != null) killed.add(x);
            synchronized (lock) { lock.notifyAll(); }
            r = new Document("cursorsKilled", killed).append("cursorsNotFound", List.of()).append("cursorsAlive", List.of()).append("cursorsUnknown", List.of()).append("ok", 1.0);
        } else if (c.equals("replsetgetstatus")) r = new Document("set", setName).append("myState", 1).append("members", List.of(new Document("_id", 0).append("name", host).append("stateStr", "PRIMARY").append("state", 1).append("health", 1.0).append("self", true))).append("ok", 1.0);
        else if (c.equals("endsessions") || c.equals("collmod") || c.equals("killsessions") || c.equals("committransaction") || c.equals("aborttransaction")) r = new Document("ok", 1.0);
        else if (c.equals("listcollections") && (db.equals("admin") || db.equals("config"))) r = new Document("cursor", new Document("id", 0L).append("ns", db + ".$cmd.listCollections").append("firstBatch", List.of())).append("ok", 1.0);
        else if (c.equals("devtrimoplog")) { synchronized (lock) { log.clear(); trimmedTs = nextTs(); } r = new Document("ok", 1.0); }
        else if (c.equals("devkillcursors")) { synchronized (lock) { streams.clear(); lock.notifyAll(); } r = new Document("ok", 1.0); }
        else if (c.equals("create") && query.containsKey("changeStreamPreAndPostImages")) { Document q = query.clone(); q.remove("changeStreamPreAndPostImages"); r = super.handleCommand(ch, db, command, q); }
        else if (WRITES.contains(c)) synchronized (lock) {
            r = super.handleCommand(ch, db, command, query);
            if (c.equals("findandmodify")) afterFindAndModify(db, query, r);
        } else r = super.handleCommand(ch, db, command, query);
        r.put("$clusterTime", new Document("clusterTime", new BsonTimestamp(lastTs)).append("signature", new Document("hash", new BinData(new byte[20])).append("keyId", 0L)));
        r.put("operationTime", new BsonTimestamp(lastTs));
        return r;
    }
    private void afterFindAndModify(String db, Document q, Document r) {       // mongo-java-server does not log findAndModify
        String ns = db + "." + q.get(q.keySet().iterator().next()); Document leo = (Document) r.get("lastErrorObject"); Object val = r.get("value");
        if (leo != null && leo.get("upserted") != null) { Document d = current(ns, leo.get("upserted")); if (d != null) oplog.handleInsert(ns, List.of(d)); return; }
        if (!(val instanceof Document)) return; Object id = ((Document) val).get("_id"); if (id == null) return;
        if (Utils.isTrue(q.get("remove"))) oplog.handleDelete(ns, q, List.of(id));
        else changed(ns, id, ((Document) q.get("update")).keySet().stream().noneMatch(k -> k.startsWith("$")));
    }
    private static boolean isChangeStream(Document q) {
        Object p = q.get("pipeline"); if (!(p instanceof List) || ((List<?>) p).isEmpty()) return false;
        Object s = ((List<?>) p).get(0); return s instanceof Document && ((Document) s).containsKey("$changeStream");
    }

    public static void main(String[] a) throws Exception {
        int port = Integer.parseInt(System.getProperty("port", "27017")); String set = System.getProperty("replSet", "rs0"); String host = System.getProperty("host", "127.0.0.1");
        MongoDouble backend = new MongoDouble(set, host + ":" + port, Integer.getInteger("oplogSize", 1_000_000));
        EventLoopGroup boss = new NioEventLoopGroup(1), workers = new NioEventLoopGroup(64);     // getMore blocks its worker: keep many
        ChannelGroup channels = new DefaultChannelGroup("mongo", workers.next());
        ChannelFuture listening = new ServerBootstrap().group(boss, workers).channel(NioServerSocketChannel.class).childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override public void initChannel(SocketChannel c) {
                    FlagShim shim = new FlagShim();
                    c.pipeline().addLast(shim, new MongoWireReplyEncoder(), new MongoWireMessageEncoder(), shim.dropper(), new MongoWireProtocolHandler(), new MongoDatabaseHandler(backend, channels), new MongoExceptionHandler());
                }
            }).bind(new InetSocketAddress(host, port)).awaitUninterruptibly();
        if (!listening.isSuccess()) { System.err.println("MongoDouble can't listen on " + host + ":" + port + ": " + listening.cause()); System.exit(1); }
        System.out.println("MongoDouble ready mongodb://" + host + ":" + port + "/?replicaSet=" + set);
        Thread.currentThread().join();
    }
    /** mongo-java-server rejects OP_MSG flags exhaustAllowed (bit 16) and moreToCome (bit 1: no reply wanted), which modern drivers set. */
    static final class FlagShim extends io.netty.handler.codec.LengthFieldBasedFrameDecoder {
        final Set<Integer> noReply = ConcurrentHashMap.newKeySet();
        FlagShim() { super(java.nio.ByteOrder.LITTLE_ENDIAN, 48_000_100, 0, 4, -4, 0, true); }
        @Override protected Object decode(ChannelHandlerContext ctx, io.netty.buffer.ByteBuf in) throws Exception {
            io.netty.buffer.ByteBuf f = (io.netty.buffer.ByteBuf) super.decode(ctx, in);
            if (f != null && f.readableBytes() >= 20 && f.getIntLE(f.readerIndex() + 12) == 2013) {
                int flags = f.getIntLE(f.readerIndex() + 16);
                if ((flags & 2) != 0) noReply.add(f.getIntLE(f.readerIndex() + 4));
                f.setIntLE(f.readerIndex() + 16, flags & ~(1 << 16) & ~2);
            }
            return f;
        }
        ChannelOutboundHandlerAdapter dropper() {
            return new ChannelOutboundHandlerAdapter() {
                @Override public void write(ChannelHandlerContext ctx, Object m, ChannelPromise p) throws Exception {
                    if (m instanceof MongoMessage && noReply.remove(((MongoMessage) m).getHeader().getResponseTo())) p.setSuccess(); else ctx.write(m, p);
                }
            };
        }
    }
}
