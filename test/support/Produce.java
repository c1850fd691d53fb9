import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends lines of key, tab, value with Kafka's own producer: Produce BOOTSTRAP TOPIC CODEC. No value: a tombstone. */
public class Produce {
	public static void main(String[] args) throws Exception {
		Map<String, Object> config = Map.of(
			"bootstrap.servers", args[0],
			"compression.type", args[2],
			// Batches of more than one block of each codec.
			"batch.size", 256 * 1024,
			"linger.ms", 500);
		var bytes = new ByteArraySerializer();
		var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		try (var producer = new KafkaProducer<>(config, bytes, bytes)) {
			for (String line; (line = in.readLine()) != null; ) {
				int tab = line.indexOf('\t');
				String value = line.substring(tab + 1);
				producer.send(
					new ProducerRecord<>(
						args[1],
						line.substring(0, tab).getBytes(StandardCharsets.UTF_8),
						value.isEmpty() ? null : value.getBytes(StandardCharsets.UTF_8)),
					(metadata, error) -> {
						if (error != null) {
							error.printStackTrace();
							Runtime.getRuntime().halt(1);
						}
					});
			}
		}
	}
}
