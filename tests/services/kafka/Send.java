import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends lines of "KEY TAB VALUE" from stdin with the partitioner that Java's client has by default. */
class Send {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> options = Map.of("bootstrap.servers", arguments[0], "acks", "all");
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (var producer = new KafkaProducer<>(options, new StringSerializer(), new StringSerializer())) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] parts = line.split("\t", 2);
                producer.send(new ProducerRecord<>(arguments[1], parts[0], parts[1]));
            }
        }
    }
}
